//! "Did you mean …?": the nearest known name.

/// Longer names are not compared.
const NAME_CHARS_MAX: usize = 40;

/// The candidate nearest to `name`, if it is near enough to be a slip: at most a third of the
/// characters differ. Ties go to the alphabetically first.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let chars: Vec<char> = name.chars().collect();
    if chars.len() > NAME_CHARS_MAX {
        return None;
    }
    let limit = (chars.len() / 3).max(1);
    let scored = candidates.filter(|candidate| *candidate != name).filter_map(|candidate| {
        let distance = distance(&chars, candidate, limit)?;
        // Not even one character in common is no slip.
        (distance < chars.len()).then_some((distance, candidate))
    });
    scored.min().map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap neighbours) between the two, if at most `limit`.
fn distance(a: &[char], b: &str, limit: usize) -> Option<usize> {
    let b: Vec<char> = b.chars().take(NAME_CHARS_MAX + 1).collect();
    if a.len().abs_diff(b.len()) > limit || b.len() > NAME_CHARS_MAX {
        return None;
    }
    let mut before = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let same = a[i - 1] == b[j - 1];
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + usize::from(!same));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let swapped: &Vec<usize> = &before;
                row[j] = row[j].min(swapped[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    Some(last[b.len()]).filter(|&distance| distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    fn check(name: &str, candidates: &[&str], expected: Option<&str>) {
        assert_eq!(nearest(name, candidates.iter().copied()), expected, "{name}");
    }

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        check("lenght", &["len", "length", "list"], Some("length"));
        check("prnit", &["print", "part"], Some("print"));
        check("x", &["y", "foo", "fx"], None);
        check("total", &["count"], None);
    }
}
