module.exports = {
  hooks: {
    readPackage (pkg) {
      if (pkg.name === 'is-odd') pkg.dependencies['is-number'] = '7.0.0'
      return pkg
    }
  }
}
