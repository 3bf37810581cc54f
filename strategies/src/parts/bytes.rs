//! Sizes in parameters.

/// `4096`, `64KiB`, `4MiB`.
pub fn bytes_of(text: &str) -> Option<usize> {
    let (number, unit) = match (text.strip_suffix("KiB"), text.strip_suffix("MiB")) {
        (Some(number), _) => (number, 1 << 10),
        (_, Some(number)) => (number, 1 << 20),
        _ => (text, 1),
    };
    number.trim().parse::<usize>().ok()?.checked_mul(unit)
}
