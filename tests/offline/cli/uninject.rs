//! `podwire uninject`: what it says where it takes nothing back.

use insta::assert_snapshot;

use super::{Folder, POD, shop, stdout};

#[test]
fn labels_without_a_record_are_said() {
    let folder = shop();
    let wired = stdout(folder.run(&["inject", "-q", "-f", "pod.yaml", "--snapshot", "broker.yaml"]));
    let bare: String = wired.split_inclusive('\n').filter(|line| !line.contains("podwire.io/wired:")).collect();
    let folder = Folder::of(&[("bare.yaml", &bare), ("pod.yaml", POD)]);
    assert_eq!(stdout(folder.run(&["uninject", "-f", "bare.yaml"])), bare);
    assert_snapshot!(String::from_utf8(folder.run(&["uninject", "-f", "bare.yaml"]).stderr).unwrap(), @r#"
    warning[PW095]: nothing-recorded: label podwire.io/wired-style is "broker"
      --> bare.yaml:12:29
       |
    12 |     podwire.io/wired-style: broker
       |                             ^^^^^^ no record beside it: nothing is taken back
       |
       = help: remove by hand what podwire added
    "#);
    assert_eq!(folder.says(&["uninject", "-f", "pod.yaml"]), format!("exit 0\n--- stdout\n{POD}--- stderr\n"));
}

#[test]
fn every_document_that_cannot_be_read_is_said() {
    let record = POD.replace("    podwire.io/style: broker\n", "    podwire.io/wired: none\n");
    let folder = Folder::of(&[("all.yaml", &format!("kind: [\n---\n{record}---\nkind: Service\n"))]);
    assert_snapshot!(folder.says(&["uninject", "-f", "all.yaml"]), @r#"
    exit 1
    --- stdout
    --- stderr
    error[PW090]: unreadable-document: document
     --> all.yaml:1:7
      |
    1 | kind: [
      |       ^ unclosed bracket '['

    error[PW091]: unreadable-record: podwire.io/wired is "none"
     --> all.yaml:9:23
      |
    9 |     podwire.io/wired: none
      |                       ^^^^ expected ident at line 1 column 2
    "#);
}
