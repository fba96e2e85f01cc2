export const name = 'apps/a'
