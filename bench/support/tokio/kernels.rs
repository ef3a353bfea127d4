//! What the Rust fork-join programs compute in their tasks; fork_join/kernels.h in Rust.

pub const QUEENS: usize = 10;
pub const MATRIX: usize = 512;
pub const BLOCK: usize = 32;

pub type Board = [u8; QUEENS];

/// Whether a queen in `column` of row `row` is safe from those in the rows above.
pub fn safe(placed: &Board, row: usize, column: usize) -> bool {
    placed[..row].iter().enumerate().all(|(above, &other)| {
        let apart = (column as isize - other as isize).unsigned_abs();
        apart != 0 && apart != row - above
    })
}

/// Matrices of MATRIX by MATRIX, full of ones, and their product.
pub struct Matrices {
    pub a: Vec<i32>,
    pub b: Vec<i32>,
    pub c: Vec<i32>,
}

impl Matrices {
    pub fn new() -> Matrices {
        let ones = vec![1; MATRIX * MATRIX];
        Matrices { a: ones.clone(), b: ones, c: vec![0; MATRIX * MATRIX] }
    }

    pub fn right(&self) -> bool {
        self.c.iter().all(|&sum| sum == MATRIX as i32)
    }

    pub fn product(&mut self) -> Product {
        Product { a: self.a.as_ptr(), b: self.b.as_ptr(), c: self.c.as_mut_ptr(), n: MATRIX }
    }
}

impl Default for Matrices {
    fn default() -> Matrices {
        Matrices::new()
    }
}

/// C += A * B for squares inside of Matrices. Those of one phase write to different places.
#[derive(Clone, Copy)]
pub struct Product {
    a: *const i32,
    b: *const i32,
    c: *mut i32,
    n: usize,
}

unsafe impl Send for Product {}
unsafe impl Sync for Product {}

impl Product {
    pub fn is_block(self) -> bool {
        self.n == BLOCK
    }

    pub fn multiply_block(self) {
        for i in 0..BLOCK {
            for k in 0..BLOCK {
                for j in 0..BLOCK {
                    unsafe {
                        *self.c.add(i * MATRIX + j) +=
                            *self.a.add(i * MATRIX + k) * *self.b.add(k * MATRIX + j);
                    }
                }
            }
        }
    }

    /// The two phases of four.
    pub fn quarters(self) -> [[Product; 4]; 2] {
        let half = self.n / 2;
        let at = |row: usize, column: usize| row * half * MATRIX + column * half;
        let phase = |inner: usize| {
            [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(row, column)| unsafe {
                Product {
                    a: self.a.add(at(row, inner)),
                    b: self.b.add(at(inner, column)),
                    c: self.c.add(at(row, column)),
                    n: half,
                }
            })
        };
        [phase(0), phase(1)]
    }
}
