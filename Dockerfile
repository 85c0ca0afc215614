# check=error=true
#
# The image of podwire, for linux/amd64 and linux/arm64. It needs BuildKit: Docker 23 or newer.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --tag podwire:dev .
#
# The compiler always runs on the builder's own platform and compiles across, so nothing is emulated. The program is linked
# statically, C library included: the last stage needs no distribution.

ARG RUST=1.95
ARG DEBIAN=bookworm

FROM --platform=$BUILDPLATFORM rust:${RUST}-slim-${DEBIAN} AS build
ARG TARGETARCH
WORKDIR /src

# cpu stands in Rust's name of the platform, debian in that of Debian's compiler for it.
RUN <<EOF
set -eu
case $TARGETARCH in
  amd64) cpu=x86_64 debian=x86-64 ;;
  arm64) cpu=aarch64 debian=aarch64 ;;
  *) echo "podwire is not built for $TARGETARCH" >&2; exit 1 ;;
esac
if [ "$(dpkg --print-architecture)" != "$TARGETARCH" ]; then
  apt-get update
  apt-get install --yes --no-install-recommends "gcc-$debian-linux-gnu" "libc6-dev-$TARGETARCH-cross"
  rm -rf /var/lib/apt/lists/*
fi
rustup target add "$cpu-unknown-linux-gnu"
echo "$cpu" >/cpu
EOF

COPY . .
# The same path, flags and compiler give the same bytes. One cache a platform: cargo locks it while it compiles.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,id=podwire-target-$TARGETARCH,sharing=locked <<EOF
set -eu
cpu=$(cat /cpu)
target=$cpu-unknown-linux-gnu
export RUSTFLAGS='-C target-feature=+crt-static'
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc
cargo build --release --locked --bin podwire --target "$target"
install -D -m 0755 "target/$target/release/podwire" /out/podwire
install -d /out/etc
printf 'root:x:0:0::/:/sbin/nologin\npodwire:x:65532:65532::/:/sbin/nologin\n' >/out/etc/passwd
# Dynamic would fail only at its first start, in the empty image.
if readelf --program-headers /out/podwire | grep -q INTERP; then
  echo "podwire is not static" >&2
  exit 1
fi
EOF

# The program alone, for releases: docker buildx build --target binary --output type=local,dest=DIR .
FROM scratch AS binary
COPY --from=build /out/podwire /podwire

# scratch, not a distroless base: the program brings its own C library and TLS, trusts only the CA that a kubeconfig or a service
# account names, and counts time in UTC. So the image holds one program and /etc/passwd, and there is nothing else to patch.
FROM scratch
# The SBOM lists the crates of Cargo.lock, which is in the context: in the program itself a scanner finds none.
ARG BUILDKIT_SBOM_SCAN_CONTEXT=true
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="podwire" \
      org.opencontainers.image.description="Wires Kubernetes pods to an event runtime: a Dapr sidecar or a Knative Broker" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/podwire/podwire" \
      org.opencontainers.image.documentation="https://github.com/podwire/podwire/tree/main/docs" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="scratch"
COPY --from=build /out/ /
USER 65532:65532
ENTRYPOINT ["/podwire"]
