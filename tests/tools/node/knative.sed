# Knative's manifests name the packages that are built, not images; one image holds all of them here.
/^ *#/d
s|^( *)image: ko://.*/([a-z_]+)$|\1image: localhost/knative:{knative}\n\1imagePullPolicy: Never\n\1command: [/\2]|
s|ko://.*|localhost/knative:{knative}|
# One replica of each needs no Lease, which would outlive a process that is killed by a minute.
/command: \[\/(ingress|filter)\]/!s|\n( *)command: .*|&\n\1args: [-disable-ha]|
# The controllers are ready long before these delays are over.
/readinessProbe:/,/timeoutSeconds:|livenessProbe:/{
  s/initialDelaySeconds: .*/initialDelaySeconds: 0/
  s/periodSeconds: .*/periodSeconds: 1/
}
# A busy machine is no program that hangs: a webhook that the kubelet ends for it drains for 46 s, and a dispatcher forgets its events.
/livenessProbe:/{
  N
  s/\n *failureThreshold: .*//
  s/^( *)livenessProbe:/&\n\1  failureThreshold: 1000/
}
