import { PriceTag } from '@shop/ui';

export default function Home() {
  return (
    <main>
      <h1>Shop</h1>
      <PriceTag name="Green tea, 100 g" cents={790} />
    </main>
  );
}
