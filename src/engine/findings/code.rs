//! The catalogue. A code's doc comment is its page: `podwire explain PW012` and `docs/findings.md` are made of it.

use super::Severity;

catalogue! {
    /// The pod that the API server sent cannot be read as a Pod of `core/v1`.
    ///
    /// podwire decodes the pod before it decides anything. A pod that does not decode is refused, since nobody can tell whether it asked for wiring.
    UnreadablePod = "PW001" "unreadable-pod" Error;
    /// A `podwire.io/` annotation whose name podwire does not know.
    ///
    /// The annotation has no effect. It never denies: an older replica must not refuse a newer word. The nearest known name is suggested.
    UnknownAnnotation = "PW002" "unknown-annotation" Warning;
    /// `podwire.io/style` is none of `sidecar`, `broker`, `auto`, `none`.
    ///
    /// The same words are read from the namespace's label `podwire.io/style`, where the pod states none.
    InvalidStyle = "PW003" "invalid-style" Error;
    /// `podwire.io/listen` is not `both`.
    ///
    /// A pod listens in the style in which it publishes; the only thing to add is the other side, for the time of a migration.
    InvalidListen = "PW004" "invalid-listen" Error;
    /// The app-id is not a DNS-1123 label of at most 58 characters.
    ///
    /// It becomes a label value, a Service name (`<app-id>-dapr`, hence 58) and the consumer group.
    InvalidAppId = "PW005" "invalid-app-id" Error;
    /// No app-id is stated and none is certain.
    ///
    /// The name of a Deployment, StatefulSet or DaemonSet is certain. The pods of Jobs and bare pods state `podwire.io/app-id` themselves: an app-id is a consumer group for ever, and a guess would let two applications compete for each other's events.
    AppIdRequired = "PW006" "app-id-required" Error;
    /// `dapr.io/app-id` says something else than podwire's app-id.
    ///
    /// Dapr's Sentry gives a certificate for the annotation only, so the two must be equal. Where Dapr's own injector adds the sidecar the annotation must stand there: without it the sidecar would take the pod's name.
    AppIdConflict = "PW007" "app-id-conflict" Error;
    /// `podwire.io/app-container` names no container of the pod.
    ///
    /// It names the container that publishes and takes events; init containers do not count.
    InvalidAppContainer = "PW008" "invalid-app-container" Error;
    /// `podwire.io/pubsub` is not the name of a Dapr component.
    ///
    /// A component is a Kubernetes object: lower case letters, digits, dashes and dots.
    InvalidPubsub = "PW009" "invalid-pubsub" Error;
    /// `podwire.io/broker` is not the name of a Broker: a DNS-1123 label of at most 50 characters.
    ///
    /// Without the annotation each topic has the Broker of its own name.
    InvalidBroker = "PW010" "invalid-broker" Error;
    /// `dapr.io/app-port` says something else than podwire's app port.
    ///
    /// There is one port to which events are delivered; remove one of the two annotations. Where Dapr's own injector adds the sidecar, `dapr.io/app-port` must stand there: without it nothing is delivered.
    AppPortConflict = "PW011" "app-port-conflict" Error;
    /// The app port is neither a number of 1 to 65535 nor the name of a container port.
    ///
    /// A name is looked up in the ports of the application container, then in those of every other.
    InvalidPort = "PW012" "invalid-port" Error;
    /// The application subscribes, but no port is known to which events could be delivered.
    ///
    /// Without `podwire.io/app-port` the application's only container port is taken; none or several leave it open.
    AppPortRequired = "PW013" "app-port-required" Error;
    /// A topic's name cannot be used.
    ///
    /// A portable topic is a DNS-1123 label of at most 50 characters, since it is a Broker's name too. Empty entries of a list are refused as well.
    InvalidTopic = "PW014" "invalid-topic" Error;
    /// A topic's name works in sidecar style only.
    ///
    /// Dapr takes nearly any text for a topic; a Broker of that name cannot exist, so the application cannot move to the other style.
    UnportableTopic = "PW015" "unportable-topic" Warning;
    /// Two published topics become one environment variable.
    ///
    /// The variable is `PODWIRE_PUBLISH_URL_` and the topic in upper case, every other character than A-Z and 0-9 being `_`.
    TopicNameCollision = "PW016" "topic-name-collision" Error;
    /// `podwire.io/subscribe` cannot be read.
    ///
    /// It is either a list of topics with commas between them or a YAML or JSON list of entries with the fields `topic`, `type`, `filter`, `path`, `name`, `deadLetter`.
    InvalidSubscribe = "PW017" "invalid-subscribe" Error;
    /// A filter names an attribute or a value that cannot be matched.
    ///
    /// Names are `[a-z][a-z0-9]{0,19}`, values are text and not empty. `type` has a field of its own.
    InvalidFilter = "PW018" "invalid-filter" Error;
    /// A path is not one path on the application.
    ///
    /// It begins with exactly one slash and holds no host, query, fragment, space or `..`: events go to the application, never elsewhere.
    InvalidPath = "PW019" "invalid-path" Error;
    /// Two entries have one name, or an entry's name is not a DNS-1123 label.
    ///
    /// The name becomes part of the Trigger's name and never changes afterwards; where two entries share a topic, each states its own.
    InvalidEntryName = "PW020" "invalid-entry-name" Error;
    /// Two entries of one topic could take the same event.
    ///
    /// Dapr delivers an event to the first entry that matches, Knative to every one. The two are the same thing only where some attribute is fixed in both entries, to different values.
    OverlappingEntries = "PW021" "overlapping-entries" Error;
    /// With `podwire.io/broker` every entry states its `type`.
    ///
    /// One Broker then carries all topics, and nothing but the type tells their events apart.
    TypeRequired = "PW022" "type-required" Error;
    /// A dead letter topic cannot be used.
    ///
    /// It is an ordinary, portable topic, another one than the entry's own, and the same for all entries of a topic.
    InvalidDeadLetter = "PW023" "invalid-dead-letter" Error;
    /// `podwire.io/retry` cannot be read.
    ///
    /// It is `for=30s`, `timeout=10s`, or both with a comma between them; durations are whole milliseconds, seconds or minutes of more than nothing and at most an hour.
    InvalidRetry = "PW024" "invalid-retry" Error;
    /// A Job subscribes in broker style.
    ///
    /// A Trigger pushes events for as long as it exists; a Job ends. Subscribe in a Deployment, or run the Job in sidecar style.
    JobSubscribes = "PW025" "job-subscribes" Error;
    /// The broker style delivers over HTTP only.
    ///
    /// `dapr.io/app-protocol` says grpc, grpcs, h2c or https; a Trigger posts plain HTTP to the application's port.
    ProtocolNotPortable = "PW026" "protocol-not-portable" Error;
    /// More topics or entries than one application may have.
    ///
    /// Each of them is a Trigger and perhaps a Broker, for which the whole cluster pays. An application with more than 64 is several applications.
    TooManyTopics = "PW027" "too-many-topics" Error;

    /// A `dapr.io/` annotation that podwire does not know: a newer word of Dapr's, or a slip.
    ///
    /// It has no effect on the container that podwire adds. The nearest known name is suggested; docs/dapr.md lists them all.
    DaprNotHandled = "PW030" "dapr-not-handled" Warning;
    /// A `dapr.io/` annotation has a value that daprd or the API server would refuse.
    ///
    /// Dapr's own injector ignores such a value or lets the sidecar crash; podwire says so at admission.
    DaprInvalidValue = "PW031" "dapr-invalid-value" Error;
    /// A `dapr.io/` annotation that the policy does not let applications set.
    ///
    /// Closed are those by which an application would choose the sidecar's image, read a Secret, mount a volume, weaken its security or reach another host or control plane. `sidecar.allowedOverrides` of the policy opens them, one by one; a few values stay closed under every policy. docs/dapr.md says of each why. An image must also be one of `sidecar.allowedImages`: where the policy names none, an application chooses none.
    OverrideRefused = "PW032" "override-refused" Security;
    /// `dapr.io/enabled` on a pod of the broker style.
    ///
    /// Dapr's injector would add a sidecar to a pod that is to have none. Remove `dapr.io/enabled`.
    DaprEnabledInBroker = "PW033" "dapr-enabled-in-broker" Error;
    /// The pod needs a sidecar and podwire knows no Dapr control plane.
    ///
    /// A sidecar needs Dapr's trust anchors (ConfigMap `dapr-trust-bundle`). Install Dapr, or choose the broker style; offline, pass a snapshot that holds the ConfigMap.
    DaprNotFound = "PW034" "dapr-not-found" Error;
    /// A `dapr.io/` annotation on a pod that gets no sidecar.
    ///
    /// It has no effect in broker style.
    DaprWithoutSidecar = "PW035" "dapr-without-sidecar" Warning;
    /// Dapr's own injector adds the sidecar to this pod.
    ///
    /// `dapr.io/enabled: "true"` stands beside `podwire.io/` annotations: podwire leaves Dapr's container alone and adds environment, labels and the application's requests.
    DaprInjects = "PW036" "dapr-injects" Warning;

    /// A container has the sidecar's name and is not podwire's.
    ///
    /// What is podwire's is recognised by its content: arguments, environment, mounts, a security context at least as strict, an allowed image, no command in hooks and probes. Rename the container.
    SquattedContainer = "PW040" "squatted-container" Security;
    /// A volume has the name of one that comes with the sidecar (its identity, its sockets) and another content.
    ///
    /// Rename the volume.
    SquattedVolume = "PW041" "squatted-volume" Security;
    /// The pod carries one of podwire's labels with another value.
    ///
    /// Labels are added, never changed: changing one makes a ReplicaSet lose its pod and create new ones for ever. Remove the label from the template and the selector.
    LabelConflict = "PW042" "label-conflict" Security;
    /// Sidecar style on a pod with `hostNetwork`.
    ///
    /// The sidecar's ports would be open on the node, for everybody and only once. The broker style works.
    HostNetwork = "PW043" "host-network" Error;
    /// Sidecar style on a Windows pod.
    ///
    /// The sidecar's security context cannot be given to a Windows pod. The broker style works.
    WindowsPod = "PW044" "windows-pod" Error;
    /// A container of the pod states a variable that podwire would set to another value.
    ///
    /// The container's own value is left alone. A reference that podwire itself writes while a Broker is not ready is no other value.
    VariableDiffers = "PW045" "variable-differs" Warning;
    /// A container has `envFrom`, which may set one of podwire's variables.
    ///
    /// What `envFrom` brings cannot be seen at admission; podwire's variable wins over it.
    EnvFromHidden = "PW046" "env-from-hidden" Warning;
    /// A container states the variable of a port that had to move.
    ///
    /// The sidecar listens elsewhere, because another container declares its usual port; the variable in the manifest would point to that container. Remove the variable.
    PortVariableStated = "PW047" "port-variable-stated" Error;
    /// The pod is shut down sooner than the sidecar can finish.
    ///
    /// The application has a `preStop` hook of its own, so podwire adds none: make it last at least five seconds, else events in flight come again late.
    PreStopStated = "PW048" "pre-stop-stated" Warning;
    /// No port is left for the sidecar.
    ///
    /// The ports that podwire may move to are all declared by other containers of the pod.
    NoPortLeft = "PW049" "no-port-left" Error;

    /// A Broker that the application needs does not exist in its namespace.
    ///
    /// It appears under `broker.onMissing: Deny` of the policy; otherwise the pod waits (PW059) or is wired without the Broker (PW067). Create the Broker, or correct the topic's name.
    BrokerMissing = "PW050" "broker-missing" Error;
    /// A Broker that the application needs has no address yet.
    ///
    /// It appears under `broker.onMissing: Deny` of the policy, as PW050 does. A Broker has an address once it is ready. Try again when it is.
    BrokerNotReady = "PW051" "broker-not-ready" Error;
    /// A Broker that the policy does not allow.
    ///
    /// `broker.allowedBrokers` of the policy names those that may be used.
    BrokerNotAllowed = "PW052" "broker-not-allowed" Security;
    /// The pod is wired to nothing: it names neither a topic to publish to nor one to subscribe to.
    ///
    /// In broker style only the variables that name style and app-id are added.
    NothingWired = "PW053" "nothing-wired" Warning;

    /// Several workloads have one app-id and not all of them state it.
    ///
    /// Workloads of one app-id compete for the same events. That is meant only where every one of them states `podwire.io/app-id`; the younger one is not taken in.
    AppIdTaken = "PW054" "app-id-taken" Error;
    /// Workloads of one app-id disagree.
    ///
    /// An event may reach any of them, so they subscribe to the same entries, at the same port, in the same component, with the same retry, under the same service account. What the older one says stays in force.
    MembersDisagree = "PW055" "members-disagree" Error;
    /// In sidecar style the dead letter topic also gets what no entry asked for.
    ///
    /// Dapr sends an event that no rule matches to the dead letter topic; Knative passes it over. Add an entry without `type` and `filter`, or let the handler ignore what it does not know.
    UnmatchedDeadLettered = "PW056" "unmatched-dead-lettered" Warning;
    /// A delivery is tried for longer than the component waits for it.
    ///
    /// A component of Redis gives an event to another replica after its `processingTimeout`, 60 s unless the component says otherwise: the event is then delivered twice, and again. Shorten `podwire.io/retry`, or raise the component's value.
    RetryTooLong = "PW057" "retry-too-long" Warning;
    /// The record of podwire's edits is left out.
    ///
    /// All annotations of a pod together hold at most 256 KiB, and the record `podwire.io/wired` would not fit. The pod is wired; `podwire uninject` cannot take it back.
    RecordLeftOut = "PW058" "record-left-out" Warning;
    /// A Broker that the application needs is not there or not ready, and is waited for.
    ///
    /// Under `broker.onMissing: Wait` of the policy (built in) the pod is admitted, and takes the address from ConfigMap `podwire-brokers` of its namespace, key: the Broker's name. Until podwire's controller has written the key, the kubelet holds the containers in `CreateContainerConfigError`; it looks again every 10 to 15 seconds. Where the pod only listens on the Broker nothing is held: events come once it is ready.
    ///
    /// If it lasts: `kubectl describe pod` names the key that is missing, `kubectl describe broker` says why the Broker is not ready. Under `broker.create: Never` podwire makes no Broker: create it, or correct the topic's name.
    BrokerAwaited = "PW059" "broker-awaited" Warning;

    /// The policy does not allow the style.
    ///
    /// `allowedStyles` of the policy names those that are.
    StyleNotAllowed = "PW060" "style-not-allowed" Security;
    /// Policies exist and none governs the namespace.
    ///
    /// Where policies exist and none fits, nothing is wired: the pod is admitted as it is, with this warning. The chart installs one named `default`, lowest in priority, that fits every namespace.
    NoPolicy = "PW061" "no-policy" Error;
    /// A request or a limit was moved into the bounds of the policy or of a LimitRange.
    ///
    /// `onViolation: Adjust` moves the value and says so. What nobody stated is moved into the bounds of the namespace's LimitRanges under every policy.
    ResourceAdjusted = "PW062" "resource-adjusted" Warning;
    /// A request or a limit lies outside of the policy's bounds and was left there.
    ///
    /// `onViolation: Warn` only says so.
    ResourceOutOfBounds = "PW063" "resource-out-of-bounds" Warning;
    /// A request or a limit lies outside of the policy's bounds.
    ///
    /// `onViolation: Deny` refuses the pod.
    ResourceRefused = "PW064" "resource-refused" Security;
    /// A request or a limit is no quantity.
    ///
    /// A quantity is a decimal number with a suffix of n, u, m, k, M, G, T, P, E or Ki, Mi, Gi, Ti, Pi, Ei, or with an exponent.
    InvalidQuantity = "PW065" "invalid-quantity" Error;

    /// A container asks for more than it may use.
    ///
    /// The manifest, or Dapr's annotations of the sidecar, state a request above the limit of the same resource. Kubernetes refuses such a container; podwire does not guess which of the two was meant.
    RequestAboveLimit = "PW066" "request-above-limit" Error;
    /// A topic's variables are left out, because its Broker is not there or not ready.
    ///
    /// `broker.onMissing: Warn` of the policy wires the pod without them. They do not come later: restart the pod when the Broker is ready.
    BrokerLeftOut = "PW067" "broker-left-out" Warning;
    /// A LimitRange of the namespace would refuse the pod.
    ///
    /// Requests and limits are moved into the bounds of the namespace's LimitRanges where that is podwire's to do: what nobody stated, and what was stated under `onViolation: Adjust`. Here no such value is left, or the pod as a whole, its sidecar included, lies outside. Ask for what the LimitRange allows, or change it.
    LimitRangeRefuses = "PW068" "limit-range-refuses" Error;
    /// The pod alone is more than a ResourceQuota of the namespace allows.
    ///
    /// No other pod must go before this one fits: it never will. The sidecar counts, and each value is what the pod would have after podwire. Ask for less, choose the broker style, or raise the quota.
    QuotaRefuses = "PW069" "quota-refuses" Error;
    /// A policy that would govern the namespace is wrong, and is passed over.
    ///
    /// A policy holds as a whole or not at all. The next one that fits the namespace governs it instead; where there is none, the pod is left as it is (PW061). Correct the policy: PW075 and its condition `Accepted` name what is wrong.
    PolicyPassedOver = "PW074" "policy-passed-over" Warning;
    /// A field of an InjectionPolicy is wrong.
    ///
    /// The API server refuses nearly all of these. What it cannot know, and what it took before it knew the rule, shows as the policy's condition `Accepted=False`; the policy is passed over until it is corrected, and pods that it would have governed say so (PW074). `podwire inject --policy` finds the same in a file.
    InvalidPolicy = "PW075" "invalid-policy" Error;

    /// A version of Kubernetes that podwire is not tested with.
    ///
    /// Native sidecars are certain from Kubernetes 1.33 on.
    UnsupportedVersion = "PW070" "unsupported-version" Warning;
    /// The namespace has not reached podwire yet.
    ///
    /// A pod may be created a moment after its namespace. podwire waits for it, at most a second, and then refuses: try again.
    NamespaceNotKnown = "PW071" "namespace-not-known" Error;
    /// The webhook has not read the cluster yet.
    ///
    /// It was started a moment ago and still lists what it must know: try again.
    SnapshotNotLoaded = "PW072" "snapshot-not-loaded" Error;
    /// A ResourceQuota of the namespace had no room for the pod when podwire last heard of it.
    ///
    /// The API server decides a moment later with newer numbers: another pod may be gone by then. A Deployment tries again.
    QuotaUsedUp = "PW073" "quota-used-up" Warning;
    /// The webhook had no time left to decide.
    ///
    /// Nothing is wrong with the pod: try again.
    DeadlinePassed = "PW080" "deadline-passed" Error;
    /// The webhook failed while it decided. This is a defect of podwire.
    ///
    /// The pod is refused rather than admitted without its wiring. The webhook's log holds the request's uid and the place.
    InternalFailure = "PW081" "internal-failure" Error;
    /// The webhook has too many requests at once.
    ///
    /// Nothing is wrong with the pod: try again.
    Overloaded = "PW082" "overloaded" Error;

    /// A document is no YAML or JSON.
    ///
    /// The place is the one at which reading stopped. YAML is read as kubectl reads it.
    UnreadableDocument = "PW090" "unreadable-document" Error;
    /// The annotation that records podwire's edits cannot be read.
    ///
    /// `podwire uninject` takes back what `podwire.io/wired` records; without it nothing is known.
    UnreadableRecord = "PW091" "unreadable-record" Error;
    /// A `podwire.io/` annotation stands on the workload and not on its pod template.
    ///
    /// Only the pods are wired: annotate the template: `spec.template.metadata`, in a CronJob `spec.jobTemplate.spec.template.metadata`. `podwire.io/listen` alone is read from the workload too, where it adds the Broker side; in broker style it adds a sidecar, a container, and stands on the template.
    AnnotationOnWorkload = "PW092" "annotation-on-workload" Warning;
    /// An annotation's value is no text.
    ///
    /// Kubernetes takes text only: YAML reads `8080` as a number and `yes` as a boolean. Put the value in quotes.
    AnnotationNotText = "PW093" "annotation-not-text" Error;
    /// A document of a kind that podwire does not wire offline.
    ///
    /// Its pods are wired at admission, by the webhook; the document is copied as it is.
    KindNotWired = "PW094" "kind-not-wired" Warning;
    /// A template carries podwire's labels and no record of podwire's edits.
    ///
    /// The annotation `podwire.io/wired` was removed, so nothing can be taken back: remove by hand what podwire added.
    NothingRecorded = "PW095" "nothing-recorded" Warning;

    /// The pods of a workload will not be wired.
    ///
    /// The template has the errors that stand beside this finding: under `onInvalid: Deny` of the policy its pods are refused, under `Warn` they run without their wiring. The workload itself is stored; correct its template.
    PodsNotWired = "PW100" "pods-not-wired" Error;
    /// A side is taken away that may still hold events.
    ///
    /// The two styles are two stores. A side may go when nobody publishes there any more and what was published has been delivered; the Wiring's condition `Drained` says when that is, and for how many seconds it must be silent. Until then keep `podwire.io/listen: both`: on the workload where the Broker side is to go, on the template where the sidecar is, for a sidecar is a container. It appears under `onUndrained: Warn` of the policy (built in).
    SideNotDrained = "PW101" "side-not-drained" Warning;
    /// A side that may still hold events would be taken away.
    ///
    /// It is PW101 under `onUndrained: Deny` of the policy: the change of the workload is refused. Keep `podwire.io/listen: both` until the Wiring's condition `Drained` is true of the side.
    UndrainedRefused = "PW102" "undrained-refused" Error;
    /// A consumer does not listen where the application publishes.
    ///
    /// Events that are published on one side never reach the other. Add `podwire.io/listen: both` to the consumer first, or keep the publisher where it is.
    ConsumerElsewhere = "PW103" "consumer-elsewhere" Warning;
    /// A publisher moves to a side on which a consumer is not ready.
    ///
    /// A Broker drops events for which it has no ready Trigger, and a Trigger without a ready pod gives up after its retry budget. Wait until the consumer's Wiring says `TriggersReady` or `SubscriptionsReady`.
    ConsumerNotReady = "PW104" "consumer-not-ready" Warning;
    /// The application becomes a new consumer.
    ///
    /// The app-id is the name of the consumer group, for ever. A new group begins where its store says: Redis delivers again everything that it retains, Kafka begins at its end, a Trigger at now. What waits for the old app-id does not reach the new one. The same holds for a side on which the application listens for the first time.
    NewConsumer = "PW105" "new-consumer" Warning;
    /// Wiring changes the pods' quality of service.
    ///
    /// A BestEffort pod always becomes Burstable, for podwire gives it requests; that is not said. Everything else changes which pods a node evicts first, or what a container may use: state requests and limits in the template.
    QosChanges = "PW106" "qos-changes" Warning;
    /// A NetworkPolicy lets nobody of Knative Eventing reach the application.
    ///
    /// In broker style events come from the namespace of Knative Eventing, not from localhost. Add an ingress rule for `kubernetes.io/metadata.name: knative-eventing` at the application's port. Rules with an `ipBlock` are taken to let it in.
    BrokerShutOut = "PW107" "broker-shut-out" Warning;
    /// A consumer of a Broker is scaled to zero, and has no dead letter.
    ///
    /// A Trigger tries an event for its retry budget and then gives it up; a Broker does not keep it until there are pods again. Name a `deadLetter`, or consume in sidecar style.
    ScaledToZero = "PW108" "scaled-to-zero" Warning;
    /// A label of podwire's stands in a template or in a selector.
    ///
    /// podwire writes its labels on pods itself. In a selector they tie the workload to one app-id and style for ever, and pods with another value are refused. Remove the label from both.
    LabelInTemplate = "PW109" "label-in-template" Warning;
    /// A label of podwire's would be added to a pod, changed or removed.
    ///
    /// The label decides whose events a pod gets. It is written when the pod is created, and never again: change the template and let the pod be replaced.
    LabelEdited = "PW110" "label-edited" Security;
    /// An annotation of podwire's would be edited on a pod that is wired.
    ///
    /// A pod is wired once, when it is created: the annotation would have no effect on it and mislead whoever reads it. Change the template and let the pod be replaced.
    AnnotationEdited = "PW111" "annotation-edited" Security;
    /// A pod carries the label of an app-id and was not wired with it.
    ///
    /// The label alone would make the pod take events of that application. Remove it; podwire adds it to a pod that asks by an annotation.
    LabelWithoutWiring = "PW112" "label-without-wiring" Security;
    /// A pod would be resized beyond the policy's bounds.
    ///
    /// `resources.app` and `resources.sidecar` of the policy hold for running pods too. Under `onViolation: Warn` it is a warning, PW063. A value that the resize leaves as it is, is not judged.
    ResizeRefused = "PW113" "resize-refused" Security;
    /// The pub/sub component that the application uses does not exist in its namespace.
    ///
    /// In sidecar style topics live in a Dapr Component, `pubsub` unless `podwire.io/pubsub` or the policy names another. Without it daprd refuses what the application publishes, and delivers nothing. Create the Component, or correct the name.
    ComponentMissing = "PW114" "component-missing" Warning;
    /// The pub/sub component that the application uses is not for it.
    ///
    /// A Component with `scopes` is loaded by the applications that they name and by no other. Add the app-id to its `scopes`.
    ComponentOutOfScope = "PW115" "component-out-of-scope" Warning;
    /// A topic has an end that podwire does not see, and an application of it is to move.
    ///
    /// Who publishes or consumes it may be outside of podwire: a source of Knative, a Dapr application without annotations, another cluster. Whether it is heard after the move depends on where it is: say so with `--external-publisher TOPIC=SIDE` or `--external-consumer TOPIC=SIDE`, where the side is `sidecar`, `broker`, `both` or `none`.
    UnknownEnd = "PW116" "unknown-end" Error;
    /// An application that moves to sidecar style would begin a consumer group.
    ///
    /// The Wiring's `groups` names those that a sidecar of the application has had. A new one begins where its store says: Redis delivers again everything that it retains, also what was delivered long ago; Kafka begins at its end. Where that may be, say `--replay-ok`.
    ReplayExpected = "PW117" "replay-expected" Error;
    /// An application cannot move to the end, for what it publishes would not be heard, or what it hears is still published on the old side.
    ///
    /// It stays as it is, or listens on both sides, until what is named has moved too.
    StaysBehind = "PW118" "stays-behind" Warning;
    /// After the move a publisher and a consumer of a topic would not meet.
    ///
    /// They name different Brokers or components, or the consumer is outside of podwire and listens only on the side that is left. Name the same in both, or move the consumer first.
    MissedThere = "PW119" "missed-there" Error;
}
