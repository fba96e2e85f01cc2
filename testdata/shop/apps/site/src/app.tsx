import { PriceTag } from '@shop/ui';

export function App() {
  return (
    <main>
      <h1>Shop</h1>
      <PriceTag name="Cast-iron teapot" cents={4900} />
    </main>
  );
}
