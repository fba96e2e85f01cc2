export interface ShopEvent<T> {
  id: string;
  type: string;
  time: string;
  data: T;
}

/** Wraps `data` in the envelope that every shop event travels in. */
export function createEvent<T>(type: string, data: T): ShopEvent<T>;
