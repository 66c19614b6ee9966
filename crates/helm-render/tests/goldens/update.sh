#!/bin/sh
# Makes the goldens anew with a real Helm, which must be 4.3.1: update.sh path/to/helm
set -eu
cd "$(dirname "$0")/.."
"$1" version --short | grep -q '^v4\.3\.1' || { echo "not Helm 4.3.1" >&2; exit 1; }
golden() {
    name=$1
    shift
    if ! "$1" template rel "testdata/charts/${name%%--*}" -n ns $2 $3 >"goldens/$name.yaml" 2>"goldens/$name.err"; then
        sed '/^Use --debug flag/d' "goldens/$name.err" >"goldens/$name.yaml"
    fi
    rm "goldens/$name.err"
}
for chart in testdata/charts/*; do
    golden "$(basename "$chart")" "$1" "" ""
done
for values in testdata/values/*.yaml; do
    golden "$(basename "$values" .yaml)" "$1" -f "$values"
done
