#!/usr/bin/env bash
# Runs the articles' commands in their order, without parallelism: load images one by one, install Cilium, wait, deploy the
# workload, send requests. bench/run.ts sets the variables and times each "stage". Steps that need the network are left out:
# helm repo, pulls, and tools for the nodes, which the workload's image has.
set -euo pipefail
stage() { echo "stage $1"; }

stage "kind cluster"
kind create cluster --name "$CLUSTER" --config "$KIND_CONFIG"
kubectl taint nodes --all node-role.kubernetes.io/control-plane:NoSchedule- || true
controller=$(kubectl get nodes -o wide --no-headers | awk '/control-plane/ { print $6 }')

stage "images to nodes"
for image in $CILIUM_IMAGES; do kind load docker-image --name "$CLUSTER" "$image"; done

stage "Cilium"
# shellcheck disable=SC2086 # a chart in a repository is several words
helm install cilium $CHART --namespace kube-system --values "$VALUES" --set k8sServiceHost="$controller"
# the conditions of `cilium status --wait`
kubectl -n kube-system rollout status daemonset/cilium --timeout=10m
kubectl -n kube-system rollout status deployment/cilium-operator --timeout=5m
kubectl wait nodes --all --for=condition=Ready --timeout=5m
kubectl -n kube-system rollout status deployment/coredns --timeout=5m

stage "workload"
if [ -n "$NETTOOL_IMAGE_LOADED" ]; then kind load docker-image --name "$CLUSTER" "$NETTOOL_IMAGE"; fi
sed "s|IMAGE|$NETTOOL_IMAGE|; s|NODE_PORT|$NODE_PORT|" "$WORKLOAD" | kubectl apply -f -
kubectl rollout status daemonset/nettool --timeout=5m
kubectl run net --image="$NETTOOL_IMAGE" --image-pull-policy=IfNotPresent
kubectl wait pod/net --for=condition=Ready --timeout=5m

stage "answer"
answers=(-sSf --max-time 5 --retry 30 --retry-delay 1 --retry-all-errors)
kubectl exec net -- curl "${answers[@]}" "http://$controller:$NODE_PORT"
for address in $(kubectl get nodes -o jsonpath='{.items[*].status.addresses[?(@.type=="InternalIP")].address}'); do
  curl "${answers[@]}" "http://$address:$NODE_PORT"
done
