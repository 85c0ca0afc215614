//! `podwire explain`: a code's page.

use super::opts::ExplainOpts;
use super::{Exit, print};
use crate::engine::{Code, page};

pub(super) fn run(opts: &ExplainOpts) -> Exit {
    let Some(text) = &opts.code else {
        let line = |code: &Code| format!("{}  {:<8} {}\n", code.id(), code.severity().word(), code.name());
        return print::data(&Code::ALL.iter().map(line).collect::<String>());
    };
    match Code::find(text) {
        Some(code) => print::data(&page(code)),
        None => {
            print::talk(&format!("error: podwire has no code {text:?}\n\nhint: podwire explain lists them\n"));
            Exit::Usage
        }
    }
}
