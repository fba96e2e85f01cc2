/* eslint-disable @typescript-eslint/no-require-imports -- CommonJS, as in the old days */
const groupBy = require('lodash/groupBy');

/** Orders per customer, as the old back office wanted them. */
exports.ordersByCustomer = (orders) => groupBy(orders, 'customer');
