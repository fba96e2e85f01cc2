console.log('other')
