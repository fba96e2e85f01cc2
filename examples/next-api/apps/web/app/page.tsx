import { PRODUCTS, type Product, price } from '@example/contract';

// The page asks the API with each request, not while it is built.
export const dynamic = 'force-dynamic';

const API = process.env.API_URL ?? 'http://localhost:3001';

async function products(): Promise<Product[] | undefined> {
  try {
    const answer = await fetch(API + PRODUCTS);
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return undefined;
  }
}

export default async function Home() {
  const found = await products();
  return (
    <main>
      <h1>Shop</h1>
      {found === undefined ? (
        <p>The API does not answer.</p>
      ) : (
        <ul>
          {found.map((product) => (
            <li key={product.name}>{`${product.name}: ${price(product)}`}</li>
          ))}
        </ul>
      )}
    </main>
  );
}
