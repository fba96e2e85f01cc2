export const name = 'packages/unused'
