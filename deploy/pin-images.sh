#!/bin/sh
# Pin the images of Dockerfile and compose.yaml by the digests that their registries have now:
#
#   sh deploy/pin-images.sh          # or: make pin
#
# It needs skopeo, or docker with buildx. Read the difference, build, and commit it; a later run takes newer digests.
set -eu
cd "${1:-$(dirname "$0")}"

digest() {
  if command -v skopeo > /dev/null; then
    skopeo inspect --no-tags --format '{{.Digest}}' "docker://$1"
  else
    docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$1"
  fi
}

for image in $(sed -nE 's/^(FROM| +image:) ([^ @$]+:[^ @$]+)(@[^ ]+)?( AS .*)?$/\2/p' Dockerfile compose.yaml | sort -u); do
  found=$(digest "$image")
  if ! printf %s "$found" | grep -Eqx 'sha256:[0-9a-f]{64}'; then
    echo "$image: the registry returned no digest: $found" >&2
    exit 1
  fi
  echo "$image@$found"
  sed -E "s#^((FROM| +image:) $image)(@sha256:[0-9a-f]+)?( |\$)#\1@$found\4#" Dockerfile > Dockerfile.new
  sed -E "s#^((FROM| +image:) $image)(@sha256:[0-9a-f]+)?( |\$)#\1@$found\4#" compose.yaml > compose.yaml.new
  mv Dockerfile.new Dockerfile
  mv compose.yaml.new compose.yaml
done
