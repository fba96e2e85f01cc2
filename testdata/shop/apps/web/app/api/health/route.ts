export const dynamic = 'force-dynamic'; // answered by the running server, not at build time

export function GET() {
  return Response.json({ status: 'ok' });
}
