//! The sidecar that a pod is to have.

use k8s_openapi::api::core::v1::PodSpec;

use super::{Amount, Case, Ports, Section, shared};
use crate::api::names::SIDECAR;
use crate::api::policy::{Placement, PullPolicy, Startup, fits_image};
use crate::api::style::Style;
use crate::engine::intent::SidecarOptions;
use crate::engine::request::PodRequest;
use crate::engine::snapshot::{ControlPlane, Settings};
use crate::engine::{Code, Finding, Origin, Reason, Subject};

/// A sidecar of podwire's.
#[derive(Clone, Debug)]
pub(crate) struct Sidecar {
    pub(crate) app_id: String,
    pub(crate) namespace: String,
    pub(crate) image: String,
    pub(crate) pull_policy: String,
    pub(crate) ports: Ports,
    /// Where daprd reaches the application, and whether it waits for it.
    pub(crate) app_port: Option<u16>,
    /// What the application says in Dapr's own words.
    pub(crate) options: SidecarOptions,
    pub(crate) place: Place,
    /// The application starts when the sidecar can publish.
    pub(crate) hold: bool,
    /// Events reach the pod past the sidecar too, so its readiness does not gate them.
    pub(crate) probe_readiness: bool,
    /// The application wants none, or the pod mounts no token of its service account, which the built-in secret store needs.
    pub(crate) without_secret_store: bool,
    /// The user, where the pod's own would be root.
    pub(crate) user: Option<i64>,
    pub(crate) amounts: Vec<Amount>,
    pub(crate) settings: Settings,
    pub(crate) control_plane: ControlPlane,
    pub(crate) trust_anchors: String,
    /// Images that a sidecar found in the pod may have.
    pub(crate) allowed_images: Option<Vec<String>>,
}

/// Where the sidecar stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// First in `containers`.
    Container,
    /// In `initContainers` at this position, always restarted.
    Native(usize),
}

impl Sidecar {
    /// 90 % of the memory limit in whole MiB, so that Go collects before the kernel kills.
    pub(crate) fn go_memory_limit(&self) -> Option<String> {
        let limit = self.amounts.iter().find(|amount| amount.section == Section::Limits && amount.resource == "memory")?;
        let mebibytes = limit.value.units() * 9 / 10 / (1 << 20);
        (mebibytes > 0).then(|| format!("{mebibytes}MiB"))
    }
}

/// What the pod itself forbids a sidecar.
pub(super) fn forbidden(request: &PodRequest, findings: &mut Vec<Finding>) {
    let Some(spec) = &request.view.spec else { return };
    if spec.host_network == Some(true) {
        let subject = Subject::Field("spec.hostNetwork".to_owned());
        findings.push(
            Finding::new(Code::HostNetwork, subject, "no sidecar on the host's network").read("true").help("choose the broker style"),
        );
    }
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        let subject = Subject::Field("spec.os.name".to_owned());
        findings
            .push(Finding::new(Code::WindowsPod, subject, "no sidecar in a Windows pod").read("windows").help("choose the broker style"));
    }
}

/// Decides the sidecar; `None` where something that it cannot do without is missing, which is a finding.
pub(super) fn decide(case: Case, publish: Style, ports: Ports, amounts: Vec<Amount>, findings: &mut Vec<Finding>) -> Option<Sidecar> {
    let Case { request, snapshot, governing, intent } = case;
    let policy = &governing.spec.sidecar;
    let options = &intent.sidecar;
    let image = image(case, findings);
    shared::check(case, publish, findings);
    let Some(trust_anchors) = snapshot.dapr.trust_anchors.clone() else {
        let place = format!("ConfigMap dapr-trust-bundle of namespace {} is not there", snapshot.settings.dapr_namespace);
        findings.push(Finding::new(Code::DaprNotFound, Subject::Pod, place).help("install Dapr, or choose the broker style"));
        return None;
    };
    let placement = options.native.map(|native| if native { Placement::Native } else { Placement::Container });
    let place = place(request, placement.or(policy.placement).unwrap_or(Placement::Auto), !intent.subscribe.is_empty());
    let automount = request.view.spec.as_ref().and_then(|spec| spec.automount_service_account_token);
    let reaches_app = intent.app_port_stated || !intent.subscribe.is_empty();
    Some(Sidecar {
        app_id: intent.app_id.as_ref()?.to_string(),
        namespace: request.namespace.clone(),
        image,
        pull_policy: policy.image_pull_policy.unwrap_or(PullPolicy::IfNotPresent).word().to_owned(),
        ports,
        app_port: intent.app_port.filter(|_| reaches_app).map(|port| port.number()),
        options: options.clone(),
        place,
        hold: policy.startup.unwrap_or(Startup::Hold) == Startup::Hold,
        probe_readiness: !(intent.listen_both || publish == Style::Broker),
        without_secret_store: options.disable_secret_store || automount == Some(false),
        user: request.view.spec.as_ref().and_then(user_instead_of_root),
        amounts,
        settings: snapshot.settings.clone(),
        control_plane: snapshot.dapr.clone(),
        trust_anchors,
        allowed_images: policy.allowed_images.clone(),
    })
}

/// The image: the application's, where the policy lets it choose one, then the policy's, then the installation's.
fn image(case: Case, findings: &mut Vec<Finding>) -> String {
    let Case { snapshot, governing, intent, .. } = case;
    let policy = &governing.spec.sidecar;
    let stated = intent.sidecar.image.as_ref().or(policy.image.as_ref());
    let image = stated.unwrap_or(&snapshot.settings.sidecar_image).clone();
    // An image that the application chooses needs the policy's word; without one, only podwire's own choice passes.
    let passes = match &policy.allowed_images {
        Some(allowed) => allowed.iter().any(|pattern| fits_image(pattern, &image)),
        None => intent.sidecar.image.is_none(),
    };
    if !passes {
        let subject = match intent.sidecar.image {
            Some(_) => Subject::Annotation("dapr.io/sidecar-image".to_owned()),
            None => Subject::Field("the sidecar's image".to_owned()),
        };
        let allowed = policy.allowed_images.as_ref().map_or_else(|| "none".to_owned(), |allowed| allowed.join(", "));
        let words = format!("allowedImages of {}: {allowed}", governing.words());
        findings.push(Finding::new(Code::OverrideRefused, subject, words).read(&image));
    }
    image
}

fn place(request: &PodRequest, placement: Placement, subscribes: bool) -> Place {
    let native = match placement {
        Placement::Auto => !subscribes || request.owner.is_job(),
        Placement::Container => false,
        Placement::Native => true,
    };
    if native { Place::Native(request.view.spec.as_ref().map_or(0, leading_sidecars)) } else { Place::Container }
}

/// Init containers that prepare a pod's network for a mesh. why: a sidecar that starts before them reaches nothing in a mesh that demands its own mTLS, and under `Hold` they would wait for it for ever.
const MESH_INIT: [&str; 4] = ["istio-init", "istio-validation", "linkerd-init", "linkerd-network-validator"];

/// How many init containers at the beginning are native sidecars of others, or a mesh's.
fn leading_sidecars(spec: &PodSpec) -> usize {
    let theirs = |container: &&k8s_openapi::api::core::v1::Container| {
        let native = container.restart_policy.as_deref() == Some("Always") && container.name != SIDECAR;
        native || MESH_INIT.contains(&container.name.as_str())
    };
    spec.init_containers.iter().flatten().take_while(theirs).count()
}

/// The user of Dapr's image. why: a pod that runs as root would give its user to the sidecar too, and the kubelet refuses root where `runAsNonRoot` stands.
const IMAGE_USER: i64 = 65532;

fn user_instead_of_root(spec: &PodSpec) -> Option<i64> {
    (spec.security_context.as_ref()?.run_as_user == Some(0)).then_some(IMAGE_USER)
}

impl Place {
    fn words(self) -> &'static str {
        match self {
            Place::Container => "first in containers",
            Place::Native(_) => "native, in initContainers",
        }
    }
}

/// `daprd first in containers (built in)`, and the image.
pub(super) fn reasons(sidecar: &Sidecar, case: Case) -> [Reason; 2] {
    let Case { request, snapshot, governing, intent } = case;
    let policy = &governing.spec.sidecar;
    let at = |placement| place(request, placement, !intent.subscribe.is_empty());
    let places = [
        sidecar.options.native.map(|native| (at(if native { Placement::Native } else { Placement::Container }), Origin::DaprAnnotation)),
        policy.placement.map(|placement| (at(placement), governing.origin(true))),
        Some((at(Placement::Auto), Origin::BuiltIn)),
    ];
    let places: Vec<_> = places.into_iter().flatten().map(|(place, origin)| (place.words().to_owned(), origin)).collect();
    let placed_by = places.first().map_or(Origin::BuiltIn, |(_, origin)| origin.clone());
    let placed = Reason::new(SIDECAR, sidecar.place.words(), placed_by);
    let own = snapshot.settings.sidecar_image.clone();
    let own_by = if own == Settings::default().sidecar_image { Origin::BuiltIn } else { Origin::Installation };
    let rules = [
        intent.sidecar.image.clone().map(|image| (image, Origin::DaprAnnotation)),
        policy.image.clone().map(|image| (image, governing.origin(true))),
        Some((own, own_by.clone())),
    ];
    let rules: Vec<_> = rules.into_iter().flatten().collect();
    let by = rules.first().map_or(own_by, |(_, origin)| origin.clone());
    [placed.over(places), Reason::new("image", &sidecar.image, by).over(rules).minor()]
}
