import path from 'node:path';

/** @type {import('next').NextConfig} */
export default {
  output: 'standalone',
  // Dependencies are linked from the workspace root: trace files from there.
  outputFileTracingRoot: path.join(import.meta.dirname, '../..'),
  transpilePackages: ['@shop/ui'], // shipped as TSX source
  eslint: { ignoreDuringBuilds: true }, // `pnpm lint` does it
};
