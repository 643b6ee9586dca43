# Keep Go in step with the toolchain of go.mod. Both images can be pinned by digest: --build-arg BASE_IMAGE=gcr.io/distroless/static-debian12:nonroot@sha256:…
ARG BUILD_IMAGE=docker.io/library/golang:1.26.8-bookworm
ARG BASE_IMAGE=gcr.io/distroless/static-debian12:nonroot

# The compiler runs on the builder's own platform and cross-compiles for the target.
FROM --platform=$BUILDPLATFORM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=0.0.0-dev
ARG REVISION
ARG BRANCH
ARG BUILD_DATE
RUN stamp=github.com/prometheus/common/version && \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X $stamp.Version=$VERSION -X $stamp.Revision=$REVISION -X $stamp.Branch=$BRANCH -X $stamp.BuildDate=$BUILD_DATE" \
    -o /magpipe_exporter .
# This creates a folder.
WORKDIR /state

# CA certificates come with the base, time zones with the binary. The only file that the exporter writes is that of --state.file.
# A volume for it goes on its folder, so the root may be read-only.
# The platform is set because older versions of buildah would use the builder's.
FROM --platform=$TARGETPLATFORM ${BASE_IMAGE}
ARG BASE_IMAGE
ARG VERSION=0.0.0-dev
ARG REVISION
ARG BUILD_DATE
LABEL org.opencontainers.image.title="magpipe_exporter" \
      org.opencontainers.image.description="Prometheus exporter for Magpipe batch calls" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$BUILD_DATE" \
      org.opencontainers.image.base.name="$BASE_IMAGE"
COPY LICENSE THIRD_PARTY_LICENSES /
COPY --from=build /magpipe_exporter /magpipe_exporter
COPY --from=build --chown=65532:65532 /state /var/lib/magpipe_exporter
# The user is numeric, so that Kubernetes can verify that it is not root.
USER 65532:65532
EXPOSE 10240
ENTRYPOINT ["/magpipe_exporter"]
# If the --web flags differ from their defaults, repeat them here.
HEALTHCHECK --interval=30s --timeout=10s --start-period=5s CMD ["/magpipe_exporter", "--healthcheck"]
