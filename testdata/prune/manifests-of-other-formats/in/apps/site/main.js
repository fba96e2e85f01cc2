require('five')
