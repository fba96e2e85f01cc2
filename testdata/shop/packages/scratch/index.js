// Not a workspace member: see pnpm-workspace.yaml.
console.log('just trying something');
