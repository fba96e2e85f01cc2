module.exports = 'five'
