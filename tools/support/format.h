#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace weft::tools {

/// 1234567 as "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t value);

/// With `digits` after the point: "12.3".
[[nodiscard]] std::string fixed(double value, int digits);

/// In the unit that suits it, three digits: "85.2 us", "1.70 ms", "12 ns".
[[nodiscard]] std::string short_time(std::chrono::nanoseconds value);

/// The text as a JSON string, quotes included.
[[nodiscard]] std::string json_string(std::string_view text);

struct table_row {
  std::string label;
  std::string value;
};

/// Two columns, values to the right. A row without a value is a heading.
void print_table(std::ostream& out, const std::vector<table_row>& rows);

}  // namespace weft::tools
