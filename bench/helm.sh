#!/usr/bin/env bash
# Uses kind and the Helm CLI as an expert would: load all images in one call, use Helm's own wait, apply the workload at once.
# bench/run.ts sets the variables and times each "stage".
set -euo pipefail
stage() { echo "stage $1"; }
images=$CILIUM_IMAGES
if [ -n "$NETTOOL_IMAGE_LOADED" ]; then images="$images $NETTOOL_IMAGE"; fi

stage "kind cluster"
kind create cluster --name "$CLUSTER" --config "$KIND_CONFIG"
kubectl taint nodes --all node-role.kubernetes.io/control-plane:NoSchedule- || true

stage "images to nodes"
# shellcheck disable=SC2086 # several words
if [ -n "${images// /}" ]; then kind load docker-image --name "$CLUSTER" $images; fi

stage "Cilium"
# shellcheck disable=SC2086 # a chart in a repository is several words
helm upgrade --install cilium $CHART --namespace kube-system --values "$VALUES" --wait --timeout 10m
kubectl -n kube-system rollout status daemonset/cilium --timeout=5m
kubectl wait nodes --all --for=condition=Ready --timeout=5m
kubectl -n kube-system rollout status deployment/coredns --timeout=5m

stage "workload"
sed "s|IMAGE|$NETTOOL_IMAGE|; s|NODE_PORT|$NODE_PORT|" "$WORKLOAD" | kubectl apply -f -
kubectl run net --image="$NETTOOL_IMAGE" --image-pull-policy=IfNotPresent
kubectl rollout status daemonset/nettool --timeout=5m
kubectl wait pod/net --for=condition=Ready --timeout=5m

stage "answer"
for address in $(kubectl get nodes -o jsonpath='{.items[*].status.addresses[?(@.type=="InternalIP")].address}'); do
  curl -sSf --max-time 5 --retry 30 --retry-delay 1 --retry-all-errors "http://$address:$NODE_PORT"
done
