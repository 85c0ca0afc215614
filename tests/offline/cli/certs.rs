//! `podwire certs`: what it leaves in a folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;

use super::Folder;

#[test]
fn a_set_is_made_once_and_renewed_when_it_is_due() {
    let folder = Folder::of(&[]);
    let mode = |name: &str| fs::metadata(folder.0.path().join("set").join(name)).unwrap().permissions().mode() & 0o777;
    let all = || ["ca.crt", "ca.key", "tls.crt", "tls.key"].map(|name| fs::read_to_string(folder.0.path().join("set").join(name)).unwrap());
    assert_snapshot!(folder.says(&["certs", "--dir", "set"]), @r"
    exit 0
    --- stdout
    --- stderr
    set: a new CA, a new certificate
    ");
    assert_eq!(["ca.crt", "ca.key", "tls.crt", "tls.key"].map(mode), [0o644, 0o600, 0o644, 0o600]);
    let made = all();
    assert_snapshot!(folder.says(&["certs", "--dir", "set"]), @r"
    exit 2
    --- stdout
    --- stderr
    error: set/ca.crt is there already: --renew makes what is due anew, from the CA that is there
    ");
    assert_snapshot!(folder.says(&["certs", "--dir", "set", "--renew"]), @r"
    exit 0
    --- stdout
    --- stderr
    set: nothing is due
    ");
    assert_eq!(all(), made);
    // Another name is due at once, and the CA that signs it is the one that is there.
    assert_snapshot!(folder.says(&["certs", "--dir", "set", "--renew", "--service", "hooks"]), @r"
    exit 0
    --- stdout
    --- stderr
    set: a new certificate
    ");
    assert_eq!((&all()[..2], all()[2] == made[2]), (&made[..2], false));
}

#[test]
fn a_life_that_is_none_is_refused() {
    let folder = Folder::of(&[]);
    for (life, why) in [("0s", "at least 10s"), ("90 days", "a number and its unit")] {
        let output = folder.run(&["certs", "--dir", "set", "--certificate-lifetime", life]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(why) && said.contains(life), "{said}");
    }
}
