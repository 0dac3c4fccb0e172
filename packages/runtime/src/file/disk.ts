import { mkdir, open, rename, unlink } from 'node:fs/promises'

/** What is used of an open file; the handles of `node:fs/promises` have it. */
export interface DiskHandle {
  stat(): Promise<{
    readonly mode: number
    readonly uid: number
    readonly size: number
    isFile(): boolean
  }>
  chmod(mode: number): Promise<void>
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<unknown>
  readFile(): Promise<Uint8Array>
  appendFile(data: string): Promise<void>
  writeFile(data: Uint8Array | string): Promise<void>
  sync(): Promise<void>
  datasync(): Promise<void>
  close(): Promise<void>
}

/**
 * The file system under a service's own durable files. Content is safe from a crash once its handle
 * was synced, a name once its folder was. Faults are those of Node, with its `code`.
 */
export interface Disk {
  open(path: string, flags: string | number, mode?: number): Promise<DiskHandle>
  rename(from: string, to: string): Promise<void>
  unlink(path: string): Promise<void>
  mkdir(
    path: string,
    options: { readonly recursive: true; readonly mode: number },
  ): Promise<unknown>
}

/** The machine's own. */
export const nodeDisk: Disk = { open, rename, unlink, mkdir }
