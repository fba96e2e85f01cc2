module.exports = 'text'
