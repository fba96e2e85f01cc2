module.exports = 'nameless'
