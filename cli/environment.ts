/** Read one of this command's inputs. @throws Error naming the variable that is not set. */
export function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "")
    throw new Error(`The environment variable ${name} is not set; a stack's resources set it`);
  return value;
}
