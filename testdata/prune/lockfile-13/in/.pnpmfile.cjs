module.exports = { hooks: { readPackage: (manifest) => manifest } };
