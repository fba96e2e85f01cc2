import path from 'node:path';

/** @type {import('next').NextConfig} */
export default {
  output: 'standalone',
  // Dependencies are linked from the workspace's root: Next.js looks for files from there.
  outputFileTracingRoot: path.join(import.meta.dirname, '../..'),
};
