// What the C++ programs compute in their tasks.
#pragma once

#include "config.h"

#include <algorithm>
#include <array>
#include <vector>

namespace fork_join {

using board = std::array<char, queens>;  // the column of the queen in each row

/// Whether a queen in `column` of row `row` is safe from those in the rows above.
inline bool safe(const board& placed, int row, int column) {
  for (int above = 0; above < row; ++above) {
    const int apart = column - placed[static_cast<std::size_t>(above)];
    if (apart == 0 || apart == row - above || apart == above - row) return false;
  }
  return true;
}

/// C += A * B for one block of matrices that are `matrix` wide.
inline void multiply_block(const int* __restrict a, const int* __restrict b, int* __restrict c) {
  for (int i = 0; i < block; ++i) {
    for (int k = 0; k < block; ++k) {
      const int factor = a[i * matrix + k];
      for (int j = 0; j < block; ++j) c[i * matrix + j] += factor * b[k * matrix + j];
    }
  }
}

/// The quarters of a square that is `n` wide.
template <class Number>
std::array<Number*, 4> quarters(Number* square, int n) {
  const int half = n / 2;
  return {square, square + half, square + half * matrix, square + half * matrix + half};
}

/// Matrices full of ones, and what their product has to be.
struct matrices {
  std::vector<int> a = std::vector<int>(matrix * matrix, 1);
  std::vector<int> b = std::vector<int>(matrix * matrix, 1);
  std::vector<int> c = std::vector<int>(matrix * matrix, 0);

  bool right() const {
    return std::all_of(c.begin(), c.end(), [](int sum) { return sum == matrix; });
  }
};

}  // namespace fork_join
