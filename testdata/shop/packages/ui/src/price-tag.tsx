export interface PriceTagProps {
  name: string;
  cents: number;
}

const euros = new Intl.NumberFormat('en', { style: 'currency', currency: 'EUR' });

export function PriceTag({ name, cents }: PriceTagProps) {
  return (
    <p>
      {name}: <strong>{euros.format(cents / 100)}</strong>
    </p>
  );
}
