// Command dapr-oracle prints what Dapr's own sidecar injector would change in a pod.
//
// Standard input holds one or more JSON objects:
//
//	{"namespace": "shop", "pod": {...}, "config": {...}, "components": [...]}
//
// namespace is the one of the admission request. config (optional) overrides single values of an
// installation made with the chart's defaults, see [installation]. components (optional) are the
// Component objects of the namespace, read where a pod asks for pluggable components.
//
// For each object one line is printed: the JSON patch as an array ([] where Dapr leaves the pod
// alone), or {"error": "..."} where Dapr would refuse the pod. Warnings go to standard error.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"

	components "github.com/dapr/dapr/pkg/apis/components/v1alpha1"
	"github.com/dapr/dapr/pkg/injector/consts"
	"github.com/dapr/dapr/pkg/injector/patcher"
	"github.com/dapr/kit/logger"
)

// installation is what the injector knows from its flags, its environment and the cluster.
// Reminders and actors services other than the placement service are not covered.
type installation struct {
	ControlPlaneNamespace       string              `json:"controlPlaneNamespace"`
	TrustDomain                 string              `json:"trustDomain"`
	ClusterDomain               string              `json:"clusterDomain"`
	TrustAnchors                string              `json:"trustAnchors"`
	MTLS                        bool                `json:"mtls"`
	Image                       string              `json:"image"`
	ImagePullPolicy             corev1.PullPolicy   `json:"imagePullPolicy"`
	RunAsNonRoot                bool                `json:"runAsNonRoot"`
	RunAsUser                   *int64              `json:"runAsUser"`
	RunAsGroup                  *int64              `json:"runAsGroup"`
	ReadOnlyRootFilesystem      bool                `json:"readOnlyRootFilesystem"`
	DropAllCapabilities         bool                `json:"dropAllCapabilities"`
	DownwardAPIs                bool                `json:"downwardAPIs"`
	NativeSidecar               bool                `json:"nativeSidecar"`
	Actors                      bool                `json:"actors"`
	Scheduler                   bool                `json:"scheduler"`
	TokenVolume                 bool                `json:"tokenVolume"`
	IgnoreEntrypointTolerations []corev1.Toleration `json:"ignoreEntrypointTolerations"`
}

// chartDefaults is an installation by the chart, no value set, in namespace dapr-system. The image
// name and the trust anchors are stand-ins. The chart's list of tolerations is empty here, because
// the injector cannot parse it as the chart renders it.
func chartDefaults() installation {
	return installation{
		ControlPlaneNamespace:  "dapr-system",
		TrustDomain:            "cluster.local",
		ClusterDomain:          "cluster.local",
		TrustAnchors:           "trust-anchors",
		MTLS:                   true,
		Image:                  "daprio/daprd:1.18.1",
		ImagePullPolicy:        corev1.PullIfNotPresent,
		RunAsNonRoot:           true,
		ReadOnlyRootFilesystem: true,
		Actors:                 true,
		Scheduler:              true,
		TokenVolume:            true,
	}
}

type question struct {
	Namespace  string                 `json:"namespace"`
	Pod        *corev1.Pod            `json:"pod"`
	Config     json.RawMessage        `json:"config"`
	Components []components.Component `json:"components"`
}

// unreadable marks input that is no question at all, which is not a refusal by Dapr.
type unreadable struct{ error }

func (q *question) answer() (jsonpatch.Patch, error) {
	if q.Pod == nil {
		return nil, unreadable{errors.New("there is no pod")}
	}
	in := chartDefaults()
	if len(q.Config) > 0 {
		if err := json.Unmarshal(q.Config, &in); err != nil {
			return nil, unreadable{fmt.Errorf("config: %w", err)}
		}
	}
	sidecar := patcher.NewSidecarConfig(q.Pod)
	in.describe(sidecar)
	sidecar.Namespace = q.Namespace
	sidecar.Identity = q.Namespace + ":" + q.Pod.Spec.ServiceAccountName
	sidecar.GetInjectedComponentContainers = func(appID, _ string) ([]corev1.Container, error) {
		return patcher.Injectable(appID, q.Components), nil
	}
	sidecar.SetFromPodAnnotations()
	return sidecar.GetPatch()
}

// describe writes the installation into the sidecar's configuration, as the injector service does
// before it reads the pod's annotations.
func (in *installation) describe(to *patcher.SidecarConfig) {
	address := func(s patcher.Service) string { return s.Address(in.ControlPlaneNamespace, in.ClusterDomain) }
	to.Mode = consts.ModeKubernetes
	to.MTLSEnabled = in.MTLS
	to.ControlPlaneNamespace = in.ControlPlaneNamespace
	to.ControlPlaneTrustDomain = in.TrustDomain
	to.SentrySPIFFEID = "spiffe://" + in.TrustDomain + "/ns/" + in.ControlPlaneNamespace + "/dapr-sentry"
	to.CurrentTrustAnchors = []byte(in.TrustAnchors)
	to.KubeClusterDomain = in.ClusterDomain
	to.OperatorAddress = address(patcher.ServiceAPI)
	to.SentryAddress = address(patcher.ServiceSentry)
	if in.Actors {
		to.PlacementAddress = address(patcher.ServicePlacement)
	}
	to.SchedulerEnabled = in.Scheduler
	to.SidecarImage = in.Image
	to.ImagePullPolicy = in.ImagePullPolicy
	to.EnableNativeSidecar = in.NativeSidecar
	to.DisableTokenVolume = !in.TokenVolume
	to.IgnoreEntrypointTolerations = in.IgnoreEntrypointTolerations
	to.EnableK8sDownwardAPIs = in.DownwardAPIs
	to.RunAsNonRoot = in.RunAsNonRoot
	to.RunAsUser = in.RunAsUser
	to.RunAsGroup = in.RunAsGroup
	to.ReadOnlyRootFilesystem = in.ReadOnlyRootFilesystem
	to.SidecarDropALLCapabilities = in.DropAllCapabilities
}

func run(from io.Reader, to io.Writer) error {
	questions, answers := json.NewDecoder(from), json.NewEncoder(to)
	answers.SetEscapeHTML(false)
	for {
		var q question
		if err := questions.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		patch, err := q.answer()
		var answer any = patch
		switch {
		case errors.As(err, &unreadable{}):
			return err
		case err != nil:
			answer = map[string]string{"error": err.Error()}
		case patch == nil:
			answer = jsonpatch.Patch{}
		}
		if err := answers.Encode(answer); err != nil {
			return err
		}
	}
}

func main() {
	// Dapr's loggers write to standard output, which is for patches alone.
	logger.NewLogger("dapr.injector").SetOutput(os.Stderr)
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "dapr-oracle:", err)
		os.Exit(1)
	}
}
