//! What a code weighs, and the macro by which a catalogue of codes is written.

/// How much a finding weighs. It belongs to the code, never to the place that found it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Denies under every policy: somebody could gain something by it.
    Security,
    /// The pod cannot be wired as asked. `onInvalid` decides between refusing it and admitting it unwired.
    Error,
    /// The pod is wired; something about it will surprise somebody.
    Warning,
}

impl Severity {
    /// The word that people see.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Security | Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

macro_rules! catalogue {
    ($($(#[doc = $page:literal])+ $variant:ident = $id:literal $name:literal $severity:ident;)+) => {
        /// A stable code. The number and the name never change their meaning; a retired number is never used again.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Code { $($(#[doc = $page])+ $variant),+ }

        impl Code {
            /// Every code, in the order of the catalogue.
            pub const ALL: &[Code] = &[$(Code::$variant),+];

            /// The code of an id or a name, in any case.
            pub fn find(text: &str) -> Option<Code> {
                Code::ALL.iter().copied().find(|code| text.eq_ignore_ascii_case(code.id()) || text.eq_ignore_ascii_case(code.name()))
            }

            /// The stable number, `PW012`.
            pub fn id(self) -> &'static str {
                match self { $(Code::$variant => $id),+ }
            }

            /// The stable name, `invalid-port`.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name),+ }
            }

            /// What the code weighs.
            pub fn severity(self) -> Severity {
                match self { $(Code::$variant => Severity::$severity),+ }
            }

            /// The page: the lines of the doc comment.
            pub fn page(self) -> &'static [&'static str] {
                match self { $(Code::$variant => &[$($page),+]),+ }
            }
        }
    };
}
