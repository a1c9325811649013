/** The mark: a bubble in which a conversation goes on. Decoration; the name stands beside it. */
export function Logo({ size }: { size: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="9" fill="var(--accent)" />
      <path
        fill="var(--on-accent)"
        d="M16 7.500c-5 0-9 3.300-9 7.600 0 2.500 1.400 4.700 3.500 6.100-.1 1-.6 2-1.500 2.900-.2.200-.1.600.300.600 1.800 0 3.300-.7 4.400-1.700.7.100 1.500.200 2.300.200 5 0 9-3.400 9-8.100s-4-7.600-9-7.600z"
      />
      <g fill="var(--accent)">
        <circle cx="12" cy="15.200" r="1.500" />
        <circle cx="16" cy="15.200" r="1.500" />
        <circle cx="20" cy="15.200" r="1.500" />
      </g>
    </svg>
  );
}
