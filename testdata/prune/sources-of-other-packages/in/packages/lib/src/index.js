export const name = 'packages/lib'
