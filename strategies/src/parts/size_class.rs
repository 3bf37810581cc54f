//! Size classes: exact multiples of 8 bytes up to 256, then four steps per doubling (at most 25 %
//! waste) up to [`LARGEST`].

/// The largest size that has a class, bytes.
pub const LARGEST: usize = 8192;
/// The largest size whose class is `size / 8`.
pub const LARGEST_EXACT: usize = 256;
/// How many classes there are.
pub const COUNT: usize = 53;

/// The class of objects of `size` bytes (a multiple of 8, at most [`LARGEST`]).
pub const fn class_of(size: usize) -> usize {
    if size <= LARGEST_EXACT {
        return size / 8;
    }
    let n = size - 1;
    let log = n.ilog2() as usize;
    33 + (log - 8) * 4 + (n >> (log - 2) & 3)
}

/// The cell size of a class, bytes.
pub const fn cell_size(class: usize) -> usize {
    if class <= 32 {
        return class * 8;
    }
    let (log, step) = (8 + (class - 33) / 4, (class - 33) % 4);
    (1 << log) + ((step + 1) << (log - 2))
}

const _: () = assert!(class_of(LARGEST) == COUNT - 1 && cell_size(COUNT - 1) == LARGEST);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_fits_its_class_and_no_smaller_one() {
        for size in (8..=LARGEST).step_by(8) {
            let class = class_of(size);
            assert!(cell_size(class) >= size && class < COUNT);
            assert!(class == 1 || cell_size(class - 1) < size, "{size}");
            assert!(cell_size(class) <= size + size / 4 + 8, "{size} wastes too much");
        }
    }
}
