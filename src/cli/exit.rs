//! What a verb's end means to a script.

/// An exit code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// 0: everything was done. Warnings may have been said.
    Clean = 0,
    /// 1: the input has an error. Every one was said, and no document was printed.
    Findings = 1,
    /// 2: the command line is wrong, or a file that it names cannot be read.
    Usage = 2,
    /// 3: a cluster, a socket or a certificate that is needed cannot be had.
    Unreachable = 3,
    /// 70: a defect of podwire.
    Internal = 70,
}

impl Exit {
    /// Every code with its meaning, for `--help`.
    pub const HELP: &str = "Exit codes:\n  0   done; warnings may have been said\n  1   the input has errors: all of them are said, and no document is printed\n  2   the command line is wrong, or a file cannot be read\n  3   a cluster, a socket or a certificate cannot be had\n  70  a defect of podwire";
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        // why a cast: the enum's values are the codes, all below 256.
        std::process::ExitCode::from(exit as u8)
    }
}
