//! Where a finding is shown.

use insta::assert_snapshot;

use super::{BROKER, Folder};

const CRON_JOB: &str = "\
apiVersion: batch/v1
kind: CronJob
metadata:
  name: nightly
  annotations: {podwire.io/publish: orders}
spec:
  jobTemplate:
    metadata:
      annotations:
        podwire.io/listen: both
    spec:
      template:
        metadata: {annotations: {podwire.io/style: broker}}
        spec: {containers: [{name: app}]}
";

const LIST: &str = "\
apiVersion: v1
kind: List
metadata: {name: outer}
items:
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: named, annotations: {podwire.io/publish: orders}}
  spec: {template: {metadata: {annotations: {podwire.io/style: broker}}, spec: {containers: [{name: app}]}}}
- {apiVersion: v1, kind: Pod, metadata: {generateName: made-, annotations: {podwire.io/style: broker}}, spec: {containers: [{name: app}]}}
- apiVersion: v1
  kind: Pod
  metadata: {annotations: {podwire.io/style: broker}}
  spec: {containers: [{name: app}]}
";

#[test]
fn annotations_around_the_template_are_shown_with_the_right_place() {
    let folder = Folder::of(&[("cron.yaml", CRON_JOB)]);
    assert_snapshot!(folder.says(&["inject", "-q", "-f", "cron.yaml"]), @r#"
    exit 1
    --- stdout
    --- stderr
    warning[PW092]: annotation-on-workload: podwire.io/publish
     --> cron.yaml:5:37
      |
    5 |   annotations: {podwire.io/publish: orders}
      |                                     ^^^^^^ pods do not carry it
      |
      = help: annotate the pod template: spec.jobTemplate.spec.template.metadata.annotations

    warning[PW092]: annotation-on-workload: podwire.io/listen
      --> cron.yaml:10:28
       |
    10 |         podwire.io/listen: both
       |                            ^^^^ pods do not carry it
       |
       = help: annotate the pod template: spec.jobTemplate.spec.template.metadata.annotations

    error[PW006]: app-id-required: pod is "CronJob/nightly"
     --> cron.yaml:4:9
      |
    4 |   name: nightly
      |         ^^^^^^^ no app-id is certain for it
      |
      = help: set podwire.io/app-id

    warning[PW053]: nothing-wired: pod
     --> cron.yaml:4:9
      |
    4 |   name: nightly
      |         ^^^^^^^ it names no topic
      |
      = help: set podwire.io/publish or podwire.io/subscribe
    "#);
}

#[test]
fn a_finding_of_an_item_is_shown_at_the_item() {
    let folder = Folder::of(&[("list.yaml", LIST)]);
    assert_snapshot!(folder.says(&["inject", "-q", "-f", "list.yaml"]), @r#"
    exit 1
    --- stdout
    --- stderr
    warning[PW092]: annotation-on-workload: podwire.io/publish
     --> list.yaml:7:61
      |
    7 |   metadata: {name: named, annotations: {podwire.io/publish: orders}}
      |                                                             ^^^^^^ pods do not carry it
      |
      = help: annotate the pod template: spec.template.metadata.annotations

    warning[PW053]: nothing-wired: pod
     --> list.yaml:7:20
      |
    7 |   metadata: {name: named, annotations: {podwire.io/publish: orders}}
      |                    ^^^^^ it names no topic
      |
      = help: set podwire.io/publish or podwire.io/subscribe

    error[PW006]: app-id-required: pod is "bare pod"
     --> list.yaml:9:56
      |
    9 | - {apiVersion: v1, kind: Pod, metadata: {generateName: made-, annotations: {podwire.io/style: broker}}, spec: {containers: [{name: ap...
      |                                                        ^^^^^ no app-id is certain for it
      |
      = help: set podwire.io/app-id

    warning[PW053]: nothing-wired: pod
     --> list.yaml:9:56
      |
    9 | - {apiVersion: v1, kind: Pod, metadata: {generateName: made-, annotations: {podwire.io/style: broker}}, spec: {containers: [{name: ap...
      |                                                        ^^^^^ it names no topic
      |
      = help: set podwire.io/publish or podwire.io/subscribe

    error[PW006]: app-id-required: pod is "bare pod"
      --> list.yaml:10:3
       |
    10 | - apiVersion: v1
       |   ^ no app-id is certain for it
       |
       = help: set podwire.io/app-id

    warning[PW053]: nothing-wired: pod
      --> list.yaml:10:3
       |
    10 | - apiVersion: v1
       |   ^ it names no topic
       |
       = help: set podwire.io/publish or podwire.io/subscribe
    "#);
}

#[test]
fn a_kind_that_is_not_wired_in_files_is_said() {
    let template = "spec: {template: {metadata: {annotations: {podwire.io/style: broker}}}}";
    let rollout = format!("apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{name: web}}\n{template}\n");
    let old = format!("apiVersion: v1\nkind: List\nitems:\n- apiVersion: apps/v1beta2\n  kind: Deployment\n  {template}\n");
    let silent = rollout.replace("podwire.io/", "example.com/");
    let all = format!("{rollout}---\n{old}---\n{silent}");
    let folder = Folder::of(&[("all.yaml", &all), ("broker.yaml", BROKER)]);
    assert_eq!(super::stdout(folder.run(&["inject", "-f", "all.yaml"])), all);
    assert_snapshot!(folder.says(&["inject", "-q", "--diff", "-f", "all.yaml"]), @r#"
    exit 0
    --- stdout
    --- stderr
    warning[PW094]: kind-not-wired: kind is "Rollout"
     --> all.yaml:2:7
      |
    2 | kind: Rollout
      |       ^^^^^^^ its pods are wired at admission only

    warning[PW094]: kind-not-wired: apiVersion is "apps/v1beta2"
     --> all.yaml:9:15
      |
    9 | - apiVersion: apps/v1beta2
      |               ^^^^^^^^^^^^ its pods are wired at admission only
    "#);
}
