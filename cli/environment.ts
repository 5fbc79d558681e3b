/** Read one of this command's inputs. @throws Error naming the variable that is not set. */
export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "")
    throw new Error(`The environment variable ${name} is not set; a stack's resources set it`);
  return value;
}

/** What of the environment says where programs and sources are found. */
export function machineEnvironment() {
  const either = (name: string) => process.env[name] ?? process.env[name.toLowerCase()] ?? "";
  return {
    path: process.env["PATH"] ?? "",
    proxies: { HTTP_PROXY: either("HTTP_PROXY"), HTTPS_PROXY: either("HTTPS_PROXY"), NO_PROXY: either("NO_PROXY") },
    pulumiHome: process.env["PULUMI_HOME"] || undefined,
  };
}
