import { price } from '@example/prices';

const name = import.meta.env.VITE_SHOP_NAME ?? 'our shop';
const place = document.querySelector('#price');
if (place) {
  place.textContent = `Tea at ${name}: ${price(450)}`;
}
