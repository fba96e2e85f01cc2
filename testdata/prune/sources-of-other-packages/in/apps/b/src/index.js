export const name = 'apps/b'
