{{- /*
Names are fixed: a cluster holds one podwire, and its Lease, its registration and its documentation name these objects.
A second release is refused by Helm, because the objects belong to the first.
*/ -}}

{{- /* Labels that select pods. They never change: a Deployment's selector is immutable. Takes the component's name. */ -}}
{{- define "podwire.selectorLabels" -}}
app.kubernetes.io/name: podwire
app.kubernetes.io/component: {{ . }}
{{- end -}}

{{- /* Labels of an object. Takes root and, for what belongs to one, component. */ -}}
{{- define "podwire.labels" -}}
{{- $own := dict
  "app.kubernetes.io/name" "podwire"
  "app.kubernetes.io/instance" .root.Release.Name
  "app.kubernetes.io/version" .root.Chart.AppVersion
  "app.kubernetes.io/managed-by" .root.Release.Service
  "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63)
-}}
{{- with .component }}{{ $_ := set $own "app.kubernetes.io/component" . }}{{ end -}}
{{- toYaml (merge $own .root.Values.commonLabels) -}}
{{- end -}}

{{- /* Labels of a pod, without what changes with each version. Takes root, component and labels. */ -}}
{{- define "podwire.podLabels" -}}
{{- toYaml (merge (include "podwire.selectorLabels" .component | fromYaml) .labels .root.Values.commonLabels) -}}
{{- end -}}

{{- define "podwire.image" -}}
{{- with .Values.image -}}
{{- with .registry }}{{ trimSuffix "/" . }}/{{ end }}{{ .repository -}}
{{- if or .tag (not .digest) }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- with .digest }}@{{ . }}{{ end -}}
{{- end -}}
{{- end -}}

{{- /* Namespaces that are never touched, by the registration and by the program. A JSON list. */ -}}
{{- define "podwire.excludedNamespaces" -}}
{{- concat (list "kube-system" "kube-node-lease" .Release.Namespace) .Values.excludedNamespaces | uniq | toJson -}}
{{- end -}}

{{- /* The Secret with tls.crt and tls.key. Each mode has its own, so that after a change of mode it never has two writers. */ -}}
{{- define "podwire.certificateSecret" -}}
{{- if eq .Values.certificates.mode "self" -}}
podwire-webhook-tls
{{- else if eq .Values.certificates.mode "cert-manager" -}}
podwire-webhook-cert-manager
{{- else -}}
{{- .Values.certificates.provided.secretName -}}
{{- end -}}
{{- end -}}

{{- /* Flags of both servers. */ -}}
{{- define "podwire.args" -}}
- --log-format={{ .Values.logFormat }}
- --log-level={{ .Values.logLevel }}
- --dapr-namespace={{ .Values.dapr.namespace }}
- --trust-domain={{ .Values.dapr.trustDomain }}
- --knative-namespace={{ .Values.knative.namespace }}
- --cluster-domain={{ .Values.clusterDomain }}
{{- with .Values.sidecarImage }}
- --sidecar-image={{ . }}
{{- end }}
{{- range include "podwire.excludedNamespaces" . | fromJsonArray }}
- --exclude-namespace={{ . }}
{{- end }}
{{- end -}}

{{- /* What every pod's spec says, the test's too. */ -}}
{{- define "podwire.podSpec" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 0 }}
{{- end }}
{{- with .Values.podSecurityContext }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}

{{- /* What the servers' pods say beside it. Takes root, component and values. */ -}}
{{- define "podwire.serverSpec" -}}
serviceAccountName: podwire-{{ .component }}
automountServiceAccountToken: true
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ toYaml . }}
{{- end }}
{{- include "podwire.podSpec" .root }}
{{- with .values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
{{- $own := dict
  "labelSelector" (dict "matchLabels" (include "podwire.selectorLabels" $.component | fromYaml))
  "matchLabelKeys" (list "pod-template-hash")
}}
{{- $constraints := list }}
{{- range . }}
{{- $constraints = append $constraints (ternary . (merge (deepCopy .) $own) (hasKey . "labelSelector")) }}
{{- end }}
topologySpreadConstraints: {{- toYaml $constraints | nindent 0 }}
{{- end }}
{{- end -}}

{{- /* What every container says, the test's too. */ -}}
{{- define "podwire.container" -}}
image: {{ include "podwire.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.securityContext }}
securityContext: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* What the servers' containers say beside it. Takes their values. */ -}}
{{- define "podwire.serverContainer" -}}
# Alive does not depend on the API server, the certificate or a watch: what waits for one is not restarted.
livenessProbe:
  httpGet: {path: /healthz, port: metrics}
  periodSeconds: 10
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 2
{{- with .resources }}
resources: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
