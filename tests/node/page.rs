//! A table in docs/portability.md that tests make.

use std::fs;

use crate::node::Failure;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/portability.md");
const END: &str = "<!-- end -->\n";

/// What stands between a line of its own and the next end.
pub(crate) struct Region {
    before: String,
    pub(crate) committed: String,
    after: String,
}

impl Region {
    pub(crate) fn of(begin: &str) -> Result<Self, Failure> {
        let page = fs::read_to_string(PAGE)?;
        let parts = page.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
        let (before, (committed, after)) = parts.ok_or_else(|| Failure::new(format!("docs/portability.md has no place for {begin}")))?;
        Ok(Region { before: format!("{before}{begin}"), committed: committed.to_owned(), after: format!("{END}{after}") })
    }

    /// Writes a text there where `UPDATE=1`, and answers whether it stands there now.
    pub(crate) fn update(&self, text: &str) -> Result<bool, Failure> {
        if self.committed != text && std::env::var_os("UPDATE").is_some() && std::env::var_os("CI").is_none() {
            fs::write(PAGE, format!("{}{text}{}", self.before, self.after))?;
            return Ok(true);
        }
        Ok(self.committed == text)
    }
}
