//! Patterns with `*`, and what they are compared with.

/// Whether a text fits a pattern in which `*` stands for any run of characters.
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// Whether a pattern of `allowedImages` lets an image pass. A pattern that pins a digest is not asked about the tag before it: the digest alone decides what runs.
pub fn fits_image(pattern: &str, image: &str) -> bool {
    fits(pattern, image) || (pattern.contains('@') && untagged(image).is_some_and(|untagged| fits(pattern, &untagged)))
}

/// `repository:tag@digest` without the tag; `None` where there is no digest.
fn untagged(image: &str) -> Option<String> {
    let (name, digest) = image.split_once('@')?;
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let end = name[last..].find(':').map_or(name.len(), |colon| last + colon);
    Some(format!("{}@{digest}", &name[..end]))
}

#[cfg(test)]
mod tests {
    use super::{fits, fits_image};

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, text, fit) in [
            ("ghcr.io/dapr/*", "ghcr.io/dapr/daprd:1.18.1", true),
            ("ghcr.io/dapr/*", "evil/ghcr.io/dapr/daprd", false),
            ("*", "", true),
            ("a*b*c", "abbc", true),
            ("a*bc", "abc", true),
            ("ab*ba", "aba", false),
            ("exact", "exact", true),
            ("exact", "exactly", false),
        ] {
            assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pinned_digest_decides_whatever_the_tag() {
        for (pattern, image, fit) in [
            ("reg:5000/daprd@sha256:aa", "reg:5000/daprd@sha256:aa", true),
            ("reg:5000/daprd@sha256:aa", "reg:5000/daprd:1.18@sha256:aa", true),
            ("reg:5000/daprd@sha256:aa", "reg:5000/daprd:1.18@sha256:ab", false),
            ("reg:5000/daprd@sha256:aa", "reg:5000/daprd:1.18", false),
            ("reg:5000/daprd@sha256:aa", "reg:5000/other/daprd@sha256:aa", false),
            ("reg:5000/daprd:1.18@sha256:aa", "reg:5000/daprd:1.19@sha256:aa", false),
            ("*@sha256:aa", "anywhere/daprd:1@sha256:aa", true),
            // A tag may be moved, so it lets no digest pass that it does not name.
            ("reg:5000/daprd:1.18", "reg:5000/daprd:1.18@sha256:aa", false),
            ("reg:5000/daprd:1.18*", "reg:5000/daprd:1.18@sha256:aa", true),
        ] {
            assert_eq!(fits_image(pattern, image), fit, "{pattern} {image}");
        }
    }
}
