export type Customer = {
  readonly id: string
  readonly name: string
  readonly email: string
  readonly country: string
  readonly since: string
}

export type OrderItem = {
  readonly sku: string
  readonly name: string
  readonly quantity: number
  readonly unit_minor: number
}

export type Order = {
  readonly id: string
  readonly customer_id: string
  readonly placed_at: string
  readonly status: 'paid' | 'shipped' | 'delivered'
  readonly currency: string
  readonly items: readonly OrderItem[]
}

/** Written as the ledger's first entry: a ledger is never read against another catalogue. */
export const CATALOGUE_ID = 'demo-1'

export const CUSTOMERS: readonly Customer[] = [
  {
    id: 'cus_2001',
    name: 'Mara Lindqvist',
    email: 'mara.lindqvist@example.com',
    country: 'SE',
    since: '2024-03-11',
  },
  {
    id: 'cus_2002',
    name: 'Tobias Renner',
    email: 'tobias.renner@example.com',
    country: 'DE',
    since: '2023-11-02',
  },
  {
    id: 'cus_2003',
    name: 'Ines Carvalho',
    email: 'ines.carvalho@example.com',
    country: 'PT',
    since: '2025-01-20',
  },
  {
    id: 'cus_2004',
    name: 'Oakfield Workspaces Ltd',
    email: 'purchasing@example.com',
    country: 'GB',
    since: '2022-06-08',
  },
  {
    id: 'cus_2005',
    name: 'Haruka Minami',
    email: 'haruka.minami@example.com',
    country: 'JP',
    since: '2025-05-30',
  },
]

export const ORDERS: readonly Order[] = [
  {
    id: 'ord_1001',
    customer_id: 'cus_2001',
    placed_at: '2026-01-14T09:12:44Z',
    status: 'delivered',
    currency: 'EUR',
    items: [
      { sku: 'CHAIR-ERG-02', name: 'Ergonomic chair, graphite', quantity: 1, unit_minor: 38_900 },
      { sku: 'LAMP-DSK-11', name: 'Desk lamp, brass', quantity: 1, unit_minor: 9_100 },
    ],
  },
  {
    id: 'ord_1002',
    customer_id: 'cus_2002',
    placed_at: '2026-01-17T18:40:03Z',
    status: 'shipped',
    currency: 'EUR',
    items: [
      { sku: 'MUG-STN-04', name: 'Stoneware mug', quantity: 4, unit_minor: 1_450 },
      { sku: 'TEA-SEN-01', name: 'Sencha, 250 g', quantity: 2, unit_minor: 1_890 },
    ],
  },
  {
    id: 'ord_1003',
    customer_id: 'cus_2003',
    placed_at: '2026-01-22T07:55:19Z',
    status: 'paid',
    currency: 'EUR',
    items: [{ sku: 'BAG-CNV-07', name: 'Canvas rucksack, olive', quantity: 1, unit_minor: 12_900 }],
  },
  {
    id: 'ord_1004',
    customer_id: 'cus_2005',
    placed_at: '2026-02-02T03:21:50Z',
    status: 'delivered',
    currency: 'JPY',
    items: [{ sku: 'PEN-FTN-03', name: 'Fountain pen, fine', quantity: 1, unit_minor: 18_500 }],
  },
  {
    id: 'ord_1005',
    customer_id: 'cus_2004',
    placed_at: '2026-02-03T11:04:27Z',
    status: 'paid',
    currency: 'EUR',
    items: [
      { sku: 'DESK-STD-01', name: 'Standing desk, oak', quantity: 1_250, unit_minor: 80_000 },
    ],
  },
]

/** Sum of an order's items in minor units of its currency. */
export function orderTotal(order: Order): number {
  return order.items.reduce((sum, item) => sum + item.quantity * item.unit_minor, 0)
}
