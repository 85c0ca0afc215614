module podwire/tests/tools/knative

go 1.24.0

require knative.dev/eventing v0.47.0 // its YAML files are used, no package of it
