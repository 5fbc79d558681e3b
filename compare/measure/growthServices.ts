import type { V1EndpointSlice, V1Service } from "@kubernetes/client-node";
import ipaddr from "ipaddr.js";
import { parseIpv4Cidr } from "../../modes/cidr";
import type { ServiceWriter } from "../../cluster/services";

/** Namespace of the synthetic Services, which identifies them for removal. */
export const GROWTH_NAMESPACE = "cilium-modes-growth";

const OWNER_LABEL = "app.kubernetes.io/managed-by";
const OWNER = "cilium-modes";

/** Port of the workload's servers, and of the Services. */
export const HTTP_PORT = 80;

/** Divides the Services into parts that one request deletes; all at once would exceed the API server's minute. */
const PART_LABEL = "cilium-modes/part";
const PARTS = 64;

/** The part of a Service by its number. */
const partOf = ({ name }: GrowthService) => String(Number(name.replace(/^\D*/, "")) % PARTS);

/** Concurrent requests; more make an API server slower. */
const AT_ONCE = 16;

/** An endpoint of a Service. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** A Service without a selector, and its endpoint. */
export interface GrowthService {
  readonly name: string;
  readonly clusterIp: string;
  readonly endpoint: Endpoint;
  /** Another port of the Service and its endpoint. */
  readonly extraPort?: number | undefined;
}

/** Allocates addresses that no Service has. */
export interface Addresses {
  readonly left: number;
  /** @throws Error if none is free */
  take(): string;
  /** Free an address; it is reused when no other is left. */
  giveBack(address: string): void;
}

/** Allocate addresses of a service network from its end, which Kubernetes uses last. */
export function freeAddresses(serviceCidr: string, taken: readonly string[]): Addresses {
  const [network, prefix] = parseIpv4Cidr(serviceCidr);
  const first = network.toByteArray().reduce((sum, byte) => sum * 256 + byte, 0);
  const last = first + 2 ** (32 - prefix) - 1;
  const used = new Set(taken);
  const freed: string[] = [];
  let next = last - 1; // the last one is the broadcast address
  const skipUsed = () => {
    while (next > first && used.has(textOf(next))) next -= 1;
  };
  const others = taken.filter(
    (address) => ipaddr.IPv4.isValid(address) && ipaddr.IPv4.parse(address).match(network, prefix),
  );
  let left = Math.max(0, last - first - 1 - new Set(others).size);
  return {
    get left() {
      return left;
    },
    take() {
      skipUsed();
      const address = next > first ? textOf(next--) : freed.shift();
      if (address === undefined) throw new Error(`the service network ${serviceCidr} has no free address`);
      left -= 1;
      return address;
    },
    giveBack(address) {
      freed.push(address);
      left += 1;
    },
  };
}

const textOf = (number: number) => [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join(".");

/** Networks for documentation, in which no host exists: https://www.rfc-editor.org/rfc/rfc5737 */
const UNUSED = ["192.0.2", "198.51.100", "203.0.113"] as const;
const HOSTS = 254;

/** An endpoint without a server, unique for each index. */
export function syntheticEndpoint(index: number): Endpoint {
  const addresses = UNUSED.length * HOSTS;
  const host = index % addresses;
  return {
    address: `${UNUSED[Math.floor(host / HOSTS)]}.${(host % HOSTS) + 1}`,
    port: 1024 + Math.floor(index / addresses),
  };
}

/** An endpoint at one of the workload's servers. */
export const serverEndpoint = (address: string): Endpoint => ({ address, port: HTTP_PORT });

/** At most `count` indexes below a total, evenly spaced, including the last. */
export function evenly(total: number, count: number): number[] {
  const some = Math.min(total, count);
  return Array.from({ length: some }, (_, index) => Math.floor(((index + 1) * total) / some) - 1);
}

/** The nearest existing index for each wanted one, without duplicates. */
export function nearest(wanted: readonly number[], existing: readonly number[]): number[] {
  const found = wanted.map((each) =>
    existing.reduce((best, other) => (Math.abs(other - each) < Math.abs(best - each) ? other : best)),
  );
  return [...new Set(found)];
}

/** The Service as a Kubernetes object. */
export function serviceOf(service: GrowthService): V1Service {
  const { name, clusterIp, extraPort } = service;
  const ports = [{ name: "http", port: HTTP_PORT, protocol: "TCP" }];
  if (extraPort !== undefined) ports.push({ name: "extra", port: extraPort, protocol: "TCP" });
  return {
    metadata: { namespace: GROWTH_NAMESPACE, name, labels: { [OWNER_LABEL]: OWNER, [PART_LABEL]: partOf(service) } },
    spec: { clusterIP: clusterIp, ports },
  };
}

/** The endpoints as a Kubernetes object. */
export function endpointsOf(service: GrowthService): V1EndpointSlice {
  const { name, endpoint, extraPort } = service;
  const ports = [{ name: "http", port: endpoint.port, protocol: "TCP" }];
  if (extraPort !== undefined) ports.push({ name: "extra", port: extraPort, protocol: "TCP" });
  return {
    metadata: {
      namespace: GROWTH_NAMESPACE,
      name,
      labels: {
        "kubernetes.io/service-name": name,
        "endpointslice.kubernetes.io/managed-by": OWNER,
        [PART_LABEL]: partOf(service),
      },
    },
    addressType: "IPv4",
    endpoints: [{ addresses: [endpoint.address], conditions: { ready: true } }],
    ports,
  };
}

/** Create Services with their endpoints, several at once; the endpoints first, so that every Service is complete at once. */
export async function createAll(
  writer: ServiceWriter,
  services: readonly GrowthService[],
  signal: AbortSignal | undefined,
): Promise<void> {
  await manyAtOnce(services, signal, (service) => writer.createEndpoints(endpointsOf(service)));
  await manyAtOnce(services, signal, (service) => writer.createService(serviceOf(service)));
}

/** Create the namespace. */
export async function createNamespace(writer: ServiceWriter): Promise<void> {
  await writer.createNamespace({ metadata: { name: GROWTH_NAMESPACE, labels: { [OWNER_LABEL]: OWNER } } });
}

/**
 * Remove the namespace and all Services in it, including those of earlier runs.
 * @throws Error if this project did not create the namespace
 */
export async function removeAll(writer: ServiceWriter): Promise<void> {
  const namespace = await writer.namespace(GROWTH_NAMESPACE);
  if (namespace === undefined) return;
  if (namespace.metadata?.labels?.[OWNER_LABEL] !== OWNER) {
    throw new Error(
      `The namespace ${GROWTH_NAMESPACE} was not created by this project: it lacks the label ${OWNER_LABEL}=${OWNER}`,
    );
  }
  let names = await writer.serviceNames(GROWTH_NAMESPACE);
  if (names.length > PARTS) {
    const parts = Array.from({ length: PARTS }, (_, part) => `${PART_LABEL}=${part}`);
    await manyAtOnce(parts, undefined, (part) => writer.deleteServices(GROWTH_NAMESPACE, part)).catch(() => undefined);
    // those of an older version, or all if the API server refuses
    names = await writer.serviceNames(GROWTH_NAMESPACE);
  }
  // the namespace controller would delete them one after the other
  await manyAtOnce(names, undefined, (name) => writer.deleteService(GROWTH_NAMESPACE, name));
  await writer.deleteNamespace(GROWTH_NAMESPACE);
}

async function manyAtOnce<T>(
  items: readonly T[],
  signal: AbortSignal | undefined,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values();
  let failed = false;
  const worker = async () => {
    for (const item of left) {
      if (failed) return;
      signal?.throwIfAborted();
      await work(item).catch((error: unknown) => {
        failed = true;
        throw error;
      });
    }
  };
  // wait for all, so that nothing is created afterwards
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
  const bad = ended.find((each) => each.status === "rejected");
  if (bad !== undefined) throw bad.reason;
}
